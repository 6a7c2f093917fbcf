"""Who and what exists in the reference database: the identifiers that rows refer to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from random import Random

from .copytext import DAY, HOUR, milliseconds
from .identifiers import identifier
from .schooldays import DAYS
from .sizes import ASSIGNMENTS_PER_COURSE, COURSES_PER_USER, LESSONS_PER_COURSE, Size

# Each kind of thing numbers its identifiers from a base of its own.
SPACING = 100_000_000
ZIPF_OFFSET = 10
"""User of rank r weighs 1 / (r + 10): in the demo the busiest has about 2 % of all logs, the median user 0.03 %."""


@dataclass(frozen=True)
class World:
    """All of one size and seed; times are in ms, each list of times is ascending."""

    size: Size
    seed: int
    reference: date
    now: int
    """Midnight UTC of the reference date: everything happened before it."""
    user_ids: list[str]
    user_created: list[int]
    regulars: int
    """Users up to this index were there before the first log."""
    activity: list[float]
    """Cumulative weights of the users."""
    course_ids: list[str]
    lesson_ids: list[str]
    """The lessons of course c are at 20 c … 20 c + 19."""
    assignment_ids: list[str]
    post_ids: list[str]
    post_created: list[int]
    group_ids: list[str]
    thread_ids: list[str]
    enrolled: list[tuple[int, ...]]
    """The indices of each user's courses."""

    def random(self, subject: str) -> Random:
        """A source of randomness that depends on size, seed and subject, and on no other subject's use of it."""
        return Random(f"{self.size.name}:{self.seed}:{subject}")  # noqa: S311 - reference data, not a secret


def _moments(random: Random, count: int, first: int, last: int) -> list[int]:
    return sorted(first + int(random.random() * (last - first)) for _ in range(count))


def build_world(size: Size, seed: int, reference: date) -> World:
    """Lay out a database of that size, as it stands at midnight UTC of the reference date.

    The same three arguments give the same world, on every machine. Takes about 1 s and 100 MB for ``bench``.
    """
    random = Random(f"{size.name}:{seed}:world")  # noqa: S311
    now = milliseconds(reference)
    window = now - DAYS * DAY

    def ids(kind: int, moments: list[int]) -> list[str]:
        return [identifier(moment, kind * SPACING + number, seed) for number, moment in enumerate(moments)]

    regulars = size.users - size.users // 10
    user_created = [
        *_moments(random, regulars, now - 720 * DAY, window),
        *_moments(random, size.users - regulars, window, now - DAY),
    ]
    weights = [1 / (rank + ZIPF_OFFSET) for rank in range(size.users)]
    random.shuffle(weights)
    before_users = now - 760 * DAY
    course_created = [before_users + course * HOUR for course in range(size.courses)]
    post_created = _moments(random, size.posts, now - 120 * DAY, now - DAY)
    return World(
        size=size,
        seed=seed,
        reference=reference,
        now=now,
        user_ids=ids(1, user_created),
        user_created=user_created,
        regulars=regulars,
        activity=list(accumulate(weights)),
        course_ids=ids(2, course_created),
        lesson_ids=ids(3, [moment for moment in course_created for _ in range(LESSONS_PER_COURSE)]),
        assignment_ids=ids(4, [moment for moment in course_created for _ in range(ASSIGNMENTS_PER_COURSE)]),
        post_ids=ids(5, post_created),
        post_created=post_created,
        group_ids=ids(6, [window - (group + 1) * HOUR for group in range(size.groups)]),
        thread_ids=ids(7, [window - (thread + 1) * HOUR // 4 for thread in range(size.threads)]),
        enrolled=[tuple(random.sample(range(size.courses), COURSES_PER_USER)) for _ in range(size.users)],
    )
