"""The rows of users, courses, and what ties the two together."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from .chance import every, happens, pick
from .copytext import DAY, HOUR, NULL, escape, jsonb, stamp
from .identifiers import TRIPLE, identifier
from .sizes import ASSIGNMENTS_PER_COURSE, LESSONS_PER_COURSE, LESSONS_STARTED
from .vocabulary import (
    ANGLES,
    FIRST_NAMES,
    LAST_NAMES,
    LOCALE_WEIGHTS,
    LOCALES,
    RARE_THEME,
    SENTENCES,
    SUBJECTS,
    TAGS,
    USER_AGENTS,
)
from .world import SPACING, World

RARE_EVERY = 10_000
RARE_USER = 7
"""The first user with the rare theme: low, so that every size has one."""
LOCKED_AFTER = 5
"""Failed logins."""
_COMPLETED, _BEGUN = 0.65, 0.95
"""Of the lessons a user has opened: completed; and completed or in progress."""


def _noise(random: Random, length: int) -> str:
    """Characters, in threes, as a hash has them; no secret."""
    return "".join(pick(random, TRIPLE) for _ in range(length // 3))


def _metadata(random: Random, user: int) -> dict[str, Any]:
    if every(user, RARE_EVERY, RARE_USER):
        theme = RARE_THEME
    else:
        theme = random.choices(("light", "dark", "system", "high-contrast"), (55, 37, 7, 1))[0]
    return {
        "preferences": {
            "theme": theme,
            "fontSize": pick(random, (14, 16, 18)),
            "notifications": {"email": happens(random, 0.6), "push": happens(random, 0.4)},
        },
        "onboarding": {"step": 1 + int(random.random() * 5), "tour": ["home", "course", "chat"][: int(random.random() * 4)]},
        "source": {"campaign": f"c{int(random.random() * 40)}", "referrer": None},
    }


def users(world: World) -> Iterator[str]:
    """One in forty is a teacher, who also owns courses; one in 500 an administrator."""
    random = world.random("User")
    for user, key in enumerate(world.user_ids):
        first = pick(random, FIRST_NAMES)
        last = pick(random, LAST_NAMES)
        locale, language = random.choices(LOCALES, LOCALE_WEIGHTS)[0]
        role = "TEACHER" if every(user, 40) else "ADMIN" if every(user, 500, 3) else "PARENT" if every(user, 25, 9) else "STUDENT"
        failed = random.choices((0, 1, 2, LOCKED_AFTER), (90, 6, 3, 1))[0]
        created = stamp(world.user_created[user])
        seen = world.now - 1 - int(random.random() ** 2 * 40 * DAY)
        seen_text = stamp(seen) if seen > world.user_created[user] and happens(random, 0.95) else NULL
        locked = stamp(world.now + HOUR) if failed == LOCKED_AFTER else NULL
        verified = created if happens(random, 0.9) else NULL
        metadata = NULL if every(user, 50, 49) else jsonb(_metadata(random, user))
        password_hash = f"$argon2id$v=19$m=65536,t=3,p=4${_noise(random, 21)}${_noise(random, 42)}"
        active = "f" if every(user, 33, 32) else "t"
        yield (
            f"{key}\tuser{user}@students.example\tuser{user}\t{password_hash}\t{first}\t{last}\t{role}\t{locale}\t{language}"
            f"\t{active}\t{failed}\t{locked}\t{seen_text}\t{verified}\t{metadata}\t{created}"
            f"\t{created if seen_text == NULL else seen_text}\n"
        )


def courses(world: World) -> Iterator[str]:
    """Most are published."""
    random = world.random("Course")
    created = stamp(world.now - 740 * DAY)
    for course, key in enumerate(world.course_ids):
        subject = SUBJECTS[course % len(SUBJECTS)]
        title = f"{subject} {pick(random, ANGLES)}"
        level = pick(random, ("BEGINNER", "INTERMEDIATE", "ADVANCED"))
        status = "DRAFT" if every(course, 20, 19) else "ARCHIVED" if every(course, 20, 18) else "PUBLISHED"
        teacher = world.user_ids[(course * 40) % (world.regulars - world.regulars % 40 or 1)]
        tags = "{" + ",".join(random.sample(TAGS, 2)) + "}"
        settings = jsonb({"grading": {"scale": 100, "passing": 50 + course % 3 * 5}, "forum": course % 2 == 0})
        description = NULL if every(course, 7, 6) else escape(f"{title}. {SENTENCES[course % len(SENTENCES)]}")
        yield (
            f"{key}\t{subject.lower()}-{course}\t{title}\t{description}\t{level}\t{status}\ten\t{teacher}\t{course % 5 * 900}"
            f"\t{tags}\t{settings}\t{created}\t{created}\n"
        )


def lessons(world: World) -> Iterator[str]:
    """Twenty a course, each some paragraphs long."""
    random = world.random("Lesson")
    created = stamp(world.now - 730 * DAY)
    texts = [escape(" ".join(random.choices(SENTENCES, k=12))) for _ in range(50)]
    for lesson, key in enumerate(world.lesson_ids):
        course, position = divmod(lesson, LESSONS_PER_COURSE)
        kind = ("VIDEO", "READING", "VIDEO", "QUIZ", "EXERCISE")[position % 5]
        video = f"https://video.example/{key}.m3u8" if kind == "VIDEO" else NULL
        published = "f" if position == LESSONS_PER_COURSE - 1 else "t"
        title = f"Part {position + 1} of {SUBJECTS[course % len(SUBJECTS)]}"
        yield (
            f"{key}\t{world.course_ids[course]}\t{position + 1}\t{title}\t{kind}\t{pick(random, texts)}\t{video}"
            f"\t{10 + int(random.random() * 50)}\t{published}\t{created}\t{created}\n"
        )


def enrollments(world: World) -> Iterator[str]:
    """Each user is in four courses; one user in five has completed the first, and holds its certificate."""
    random = world.random("Enrollment")
    number = 10 * SPACING
    for user, key in enumerate(world.user_ids):
        created = world.user_created[user]
        for place, course in enumerate(world.enrolled[user]):
            enrolled = created + int(random.random() * (world.now - created) / 2)
            completed = place == 0 and user % 5 == 0
            status = "COMPLETED" if completed else "DROPPED" if happens(random, 0.08) else "ACTIVE"
            percent = "100" if completed else f"{random.random() * 95:.1f}"
            finished = stamp((enrolled + world.now) // 2) if completed else NULL
            yield (
                f"{identifier(enrolled, number, world.seed)}\t{key}\t{world.course_ids[course]}\t{status}\t{percent}"
                f"\t{stamp(enrolled)}\t{finished}\n"
            )
            number += 1


def progress(world: World) -> Iterator[str]:
    """The lessons a user has opened: twelve of the first course, fewer of the others."""
    random = world.random("UserProgress")
    draw = random.random
    number = 11 * SPACING
    for user, key in enumerate(world.user_ids):
        created = world.user_created[user]
        span = world.now - created
        for course, opened in zip(world.enrolled[user], LESSONS_STARTED, strict=True):
            first = course * LESSONS_PER_COURSE
            for lesson in range(first, first + opened):
                began = created + int(draw() * span)
                last = began + int(draw() * (world.now - began))
                chance = draw()
                if chance < _COMPLETED:
                    state, score, completed = "COMPLETED", f"{40 + 92 * chance:.1f}", stamp(last)
                else:
                    state, score, completed = ("IN_PROGRESS" if chance < _BEGUN else "NOT_STARTED"), NULL, NULL
                yield (
                    f"{identifier(began, number, world.seed)}\t{key}\t{world.lesson_ids[lesson]}\t{state}\t{score}"
                    f"\t{int(chance * 3600)}\t{stamp(last)}\t{completed}\t{stamp(began)}\t{stamp(last)}\n"
                )
                number += 1


def certificates(world: World) -> Iterator[str]:
    """For every fifth user's first course."""
    random = world.random("Certificate")
    for number in range(world.size.users // 5):
        user = number * 5
        issued = (world.user_created[user] + world.now) // 2
        metadata = jsonb({"issuer": "EdTech Academy", "verification": {"method": "qr", "version": 1 + number % 2}})
        yield (
            f"{identifier(issued, 12 * SPACING + number, world.seed)}\t{world.user_ids[user]}"
            f"\t{world.course_ids[world.enrolled[user][0]]}\tCERT-{number:08d}\t{50 + random.random() * 50:.1f}"
            f"\t{metadata}\t{stamp(issued)}\n"
        )


def assignments(world: World) -> Iterator[str]:
    """Three a course; the last has no due date."""
    created = stamp(world.now - 725 * DAY)
    for number, key in enumerate(world.assignment_ids):
        course, place = divmod(number, ASSIGNMENTS_PER_COURSE)
        due = NULL if place == ASSIGNMENTS_PER_COURSE - 1 else stamp(world.now + (place * 14 - 7) * DAY + 22 * HOUR)
        text = escape(SENTENCES[number % len(SENTENCES)])
        yield (
            f"{key}\t{world.course_ids[course]}\tAssignment {place + 1}\t{text}\t{50 * (place + 1)}"
            f"\t{due}\t{created}\t{created}\n"
        )


def submissions(world: World) -> Iterator[str]:
    """Two a user, to the first assignment of two courses; half of them graded."""
    random = world.random("Submission")
    number = 13 * SPACING
    for user, key in enumerate(world.user_ids):
        for course in world.enrolled[user][:2]:
            sent = world.now - 1 - int(random.random() * min(60 * DAY, world.now - world.user_created[user]))
            text = escape(" ".join(random.choices(SENTENCES, k=4)))
            assignment = world.assignment_ids[course * ASSIGNMENTS_PER_COURSE]
            grader, status, points, graded = NULL, "SUBMITTED", NULL, NULL
            if happens(random, 0.5):
                grader, status = world.user_ids[0], "GRADED"
                points, graded = f"{random.random() * 50:.1f}", stamp((sent + world.now) // 2)
            yield (
                f"{identifier(sent, number, world.seed)}\t{assignment}\t{key}\t{grader}\t{text}\t{status}\t{points}"
                f"\t{stamp(sent)}\t{graded}\n"
            )
            number += 1


def refresh_tokens(world: World) -> Iterator[str]:
    """Two a user: an old one, revoked, and one that may still be valid."""
    random = world.random("RefreshToken")
    number = 14 * SPACING
    for user, key in enumerate(world.user_ids):
        for age in (30 * DAY, 5 * DAY):
            made = max(world.user_created[user], world.now - 1 - int(random.random() * age))
            revoked = stamp((made + world.now) // 2) if age > 7 * DAY else NULL
            agent = escape(pick(random, USER_AGENTS))
            yield (
                f"{identifier(made, number, world.seed)}\t{key}\t{_noise(random, 42)}{user}\t{agent}"
                f"\t{stamp(made + 7 * DAY)}\t{revoked}\t{stamp(made)}\n"
            )
            number += 1


def notifications(world: World) -> Iterator[str]:
    """Ten a user, most of them read."""
    random = world.random("Notification")
    draw = random.random
    number = 15 * SPACING
    kinds = (
        ("ASSIGNMENT", "A new assignment is due", jsonb({"link": {"kind": "assignment", "tab": "open"}})),
        ("GRADE", "Your work was graded", jsonb({"link": {"kind": "submission"}, "points": 40})),
        ("MESSAGE", "You have a new message", jsonb({"link": {"kind": "thread"}})),
        ("SOCIAL", "Somebody liked your post", NULL),
        ("SYSTEM", "Maintenance on Sunday", NULL),
    )
    texts = [escape(sentence) for sentence in SENTENCES]
    for user, key in enumerate(world.user_ids):
        span = min(90 * DAY, world.now - world.user_created[user])
        for _ in range(10):
            made = world.now - 1 - int(draw() * span)
            kind, title, data = pick(random, kinds)
            read = stamp((made + world.now) // 2) if happens(random, 0.8) else NULL
            body = pick(random, texts) if happens(random, 0.5) else NULL
            yield f"{identifier(made, number, world.seed)}\t{key}\t{kind}\t{title}\t{body}\t{data}\t{read}\t{stamp(made)}\n"
            number += 1
