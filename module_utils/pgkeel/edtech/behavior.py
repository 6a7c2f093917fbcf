"""The rows of BehaviorLog: sessions of a few very active users and many quiet ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any

from .chance import happens, pick
from .copytext import DAY, MINUTE, MINUTE_TEXT, NULL, SECOND_TEXT, day_text, jsonb
from .identifiers import BLOCK, TRIPLE, identifier, time_block
from .schooldays import DAYS, MINUTES_IN_DAY, daily_quotas, start_weights
from .sizes import LESSONS_PER_COURSE
from .vocabulary import RARE_EXPERIMENT
from .world import SPACING, World

LONGEST_SESSION = 60
"""Events; with at most a minute between two, a session lasts less than an hour."""
RARE_EVERY = 10_000
LINES_PER_CHUNK = 2_000
_VARIANTS = 64


@dataclass(frozen=True)
class _Kind:
    event: str
    category: str
    weight: int
    mean_seconds: float = 0.0
    """Of its duration; 0 where the event has none."""
    has_payload: bool = True


KINDS = (
    _Kind("page_view", "navigation", 230, 21.0),
    _Kind("search", "navigation", 25),
    _Kind("lesson_start", "learning", 70),
    _Kind("lesson_complete", "learning", 40, 640.0),
    _Kind("video_play", "learning", 120),
    _Kind("video_pause", "learning", 85, 95.0),
    _Kind("video_seek", "learning", 40),
    _Kind("exercise_attempt", "learning", 75, 48.0),
    _Kind("quiz_answer", "assessment", 110, 17.0),
    _Kind("quiz_submit", "assessment", 22, 310.0),
    _Kind("hint_request", "assessment", 28),
    _Kind("assignment_open", "assessment", 14, 75.0),
    _Kind("post_view", "social", 35, 12.0),
    _Kind("post_like", "social", 14),
    _Kind("chat_send", "social", 32),
    _Kind("group_join", "social", 2),
    _Kind("theme_change", "settings", 3),
    _Kind("notification_open", "engagement", 15),
    _Kind("heartbeat", "system", 50, has_payload=False),
    _Kind("client_error", "system", 4),
)
_START = _Kind("session_start", "auth", 0)
_DEVICES = (
    {"type": "desktop", "os": "windows", "app": "web", "viewport": {"w": 1920, "h": 969}},
    {"type": "desktop", "os": "linux", "app": "web", "viewport": {"w": 1680, "h": 917}},
    {"type": "tablet", "os": "ipados", "app": "web", "viewport": {"w": 1024, "h": 1292}},
    {"type": "mobile", "os": "android", "app": "4.12.0", "viewport": {"w": 412, "h": 838}},
    {"type": "mobile", "os": "ios", "app": "4.11.2", "viewport": {"w": 390, "h": 763}},
)


def _detail(kind: _Kind, random: Random) -> dict[str, Any]:
    """What the application notes about one event of that kind."""
    if kind.event.startswith("video"):
        return {"video": {"position": int(random.random() * 1500), "speed": pick(random, (1, 1.25, 1.5, 2))}}
    if kind.category == "assessment":
        correct = happens(random, 0.7)
        return {"answer": {"question": int(random.random() * 40), "correct": correct, "tries": 1 + int(random.random() * 3)}}
    if kind.category == "learning":
        return {"progress": {"percent": int(random.random() * 101), "blocks": [int(random.random() * 30) for _ in range(3)]}}
    if kind.event == "theme_change":
        return {"preferences": {"theme": pick(random, ("dark", "light", "system"))}}
    if kind.category == "system":
        return {"error": {"code": pick(random, ("E_NET", "E_MEDIA", "E_STATE")), "fatal": happens(random, 0.1)}}
    return {"ui": {"element": f"{kind.category}-{int(random.random() * 90)}", "flags": {"beta": happens(random, 0.05)}}}


def _inside(value: dict[str, Any]) -> str:
    """A JSON object without its braces, to be put inside another."""
    return jsonb(value)[1:-1]


def _details(kind: _Kind, random: Random) -> list[str]:
    """What events of that kind choose from; empty texts for a kind without payload."""
    return [_inside(_detail(kind, random)) if kind.has_payload else "" for _ in range(_VARIANTS)]


def behavior_logs(world: World) -> Iterator[bytes]:
    """All rows, in chunks of COPY text of some 700 kB, in the order of their time.

    Memory is bounded by one day of logs. The columns are those of ``rows.COLUMNS["BehaviorLog"]``.
    """
    random = world.random("BehaviorLog")
    details = [
        [_inside(_detail(kind, random)) if kind.has_payload else "" for _ in range(_VARIANTS)] for kind in (*KINDS, _START)
    ]
    first_day = world.now // DAY - DAYS
    number = 0
    for offset, quota in enumerate(daily_quotas(world.size.logs, world.reference)):
        lines = _day(world, random, first_day + offset, quota=quota, number=number, details=details)
        number += quota
        for first in range(0, quota, LINES_PER_CHUNK):
            yield "".join(lines[first : first + LINES_PER_CHUNK]).encode()


def _day(world: World, random: Random, day: int, *, quota: int, number: int, details: list[list[str]]) -> list[str]:
    """The lines of one day, sorted. Rows are numbered from ``number``.

    This is the hot loop, once a log: it looks texts up, draws one random number and formats one line.
    """
    names = [f"{kind.event}\t{kind.category}" for kind in (*KINDS, _START)]
    kind_weights = list(accumulate(kind.weight for kind in KINDS))
    means = [kind.mean_seconds for kind in (*KINDS, _START)]
    start_of_day = day * DAY
    blocks = [time_block(start_of_day + moment) for moment in range(0, DAY + BLOCK, BLOCK)]
    first_block = start_of_day // BLOCK
    minutes = [f"{day_text(day)} {text}" for text in MINUTE_TEXT]
    starts = start_weights((day + 3) % 7)  # 1970-01-01 was a Thursday
    everyone = range(world.size.users)
    draw, choices = random.random, random.choices

    lines: list[str] = []
    append = lines.append
    left = quota
    while left:
        length = min(left, LONGEST_SESSION, 1 + int(draw() * draw() * 48))
        left -= length
        user = choices(everyone, cum_weights=world.activity)[0]
        moment = start_of_day + choices(range(MINUTES_IN_DAY), cum_weights=starts)[0] * MINUTE + int(draw() * MINUTE)
        if world.user_created[user] >= moment:
            user %= world.regulars
        course = world.enrolled[user][int(draw() * draw() * 4)]
        lesson = course * LESSONS_PER_COURSE + int(draw() * LESSONS_PER_COURSE)
        owner = f"{world.user_ids[user]}\t{identifier(moment, 8 * SPACING + number, world.seed)}\t"
        context = _inside(
            {
                "context": {"courseId": world.course_ids[course], "lessonId": world.lesson_ids[lesson]},
                "device": _DEVICES[(user + int(draw() * 1.3)) % len(_DEVICES)],
            }
        )
        salt = "0k3" + TRIPLE[int(draw() * BLOCK)] + "e"
        kinds = choices(range(len(KINDS)), cum_weights=kind_weights, k=length)
        kinds[0] = len(KINDS)
        for sequence, kind in enumerate(kinds):
            chance = draw()
            mean = means[kind]
            duration = f"{mean * (0.1 + 1.8 * chance):.3f}" if mean else NULL
            detail = details[kind][int(chance * _VARIANTS)]
            if number % RARE_EVERY == RARE_EVERY - 1:
                payload = f'{{"v":2,"seq":{sequence},{context},"experiment":{{"name":"{RARE_EXPERIMENT}","arm":"b"}}}}'
            else:
                payload = f'{{"v":2,"seq":{sequence},{context},{detail}}}' if detail else NULL
            block, within = divmod(moment, BLOCK)
            append(
                f"{blocks[block - first_block]}{TRIPLE[within]}{TRIPLE[number % BLOCK]}{TRIPLE[number // BLOCK]}"
                f"{salt}{TRIPLE[(moment + number) % BLOCK]}\t{owner}{names[kind]}"
                f"\t{minutes[(moment - start_of_day) // MINUTE]}{SECOND_TEXT[moment % MINUTE]}\t{duration}\t{payload}\n"
            )
            number += 1
            moment += 700 + int(chance * chance * 59_000)
    # An identifier begins with its time, so that sorting lines sorts by time: sessions interleave as they do in a real log.
    lines.sort()
    return lines
