"""The words the reference data is made of: invented people, courses and sentences, in several scripts."""

# ruff: noqa: RUF001 - letters of several scripts are what this file is for

from __future__ import annotations

FIRST_NAMES = (
    "Amara", "Åsa", "Bence", "Chiara", "Daan", "Eleni", "Farid", "Gülşen", "Hana", "Ines", "Jürgen", "Kwame",
    "Łucja", "Marek", "Nour", "Olga", "Priya", "Quentin", "Ren", "Søren", "Tereza", "Uma", "Vasilis", "Wen",
    "Ximena", "Yusuf", "Zoé", "Ömer", "Αλέξης", "美咲",
)  # fmt: skip
LAST_NAMES = (
    "Almeida", "Berg", "Castro", "Dvořák", "Eriksen", "Fontaine", "García", "Horváth", "Ito", "Jansen", "Kowalski",
    "Lindqvist", "Müller", "Nguyen", "O'Leary", "Papadakis", "Quist", "Rossi", "Sato", "Türk", "Ueda", "Vogel",
    "Weiss", "Yılmaz", "Zając", "Παππάς", "田中",
)  # fmt: skip
LOCALES = (("en-GB", "en"), ("en-US", "en"), ("de-DE", "de"), ("fr-FR", "fr"), ("tr-TR", "tr"), ("el-GR", "el"), ("ja-JP", "ja"))
LOCALE_WEIGHTS = (34, 22, 16, 11, 9, 5, 3)

SUBJECTS = (
    "Algebra", "Biology", "Chemistry", "Databases", "Economics", "French", "Geometry", "History", "Informatics",
    "Journalism", "Logic", "Music", "Networks", "Optics", "Physics", "Rhetoric", "Statistics", "Writing",
)  # fmt: skip
ANGLES = ("for beginners", "in practice", "step by step", "through puzzles", "for teachers", "in depth", "at work")
TAGS = ("science", "language", "exam", "project", "self-paced", "live", "new", "classic")

SENTENCES = (
    "Has anyone solved the third exercise yet?",
    "The worked example in the middle of the lesson helped me most.",
    "I would start from the definition and draw a picture.",
    "Shall we meet before the test on Thursday?",
    "My result is off by one and I cannot see why.",
    "Thank you, that was exactly the step I had missed.",
    "The recording is up, thirty minutes shorter than the class.",
    "Remember to cite where your figures come from.",
    "I changed the units first and everything else fell into place.",
    "Could you share your notes from this morning?",
    "Two answers are possible here; say which one you mean.",
    "The quiz allows a second attempt after an hour.",
    "Group B presents next week, so please read ahead.",
    "I do not follow the last line of the proof.",
    "Try it with small numbers before you generalise.",
    "Das Beispiel auf Seite zwölf hat mir geholfen.",
    "Merci, c'est beaucoup plus clair maintenant.",
    "Yarınki derse kadar alıştırmaları bitirelim.",
    "Το παράδειγμα ήταν πολύ χρήσιμο.",
    "図を描くと分かりやすいです。",
    "See you there 👋🏽 and bring a calculator.",
    "First line of the answer\nand the second, indented:\n\tx = 4",
    "It is in C:\\Users\\me\\homework, at least on my machine.",
    'She wrote "almost" and meant it.',
)
USER_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Mobile/15E148",
    "edtech-android/4.12.0 (Android 15)",
)
RARE_THEME = "solarized"
"""The theme of one user in 10,000: what a GIN index is for."""
RARE_EXPERIMENT = "adaptive-hints"
"""The experiment in the payload of one log in 10,000."""
