"""How large a reference database is: every table's row count follows from two numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import PgkeelError

LESSONS_PER_COURSE = 20
COURSES_PER_USER = 4
LESSONS_STARTED = (12, 8, 4, 1)
"""Lessons a user has opened in each of the courses, the oldest enrolment first."""
ASSIGNMENTS_PER_COURSE = 3
COMMENTS_PER_POST = 3
LIKES_PER_POST = 5
MEMBERS_PER_GROUP = 5
MESSAGES_PER_THREAD = 30
BYTES_PER_LOG, BYTES_PER_USER = 1_200, 30_000
"""Measured with the indexes of constraints.sql, rounded up."""


@dataclass(frozen=True)
class Size:
    """A named size; ``logs`` is spread over the 90 days before the reference date."""

    name: str
    users: int
    logs: int

    @property
    def needed_bytes(self) -> int:
        """Disk that a load takes: tables, indexes and the WAL of it, with the GIN indexes that are built later."""
        return 150_000_000 + self.logs * BYTES_PER_LOG + self.users * BYTES_PER_USER

    @property
    def courses(self) -> int:
        """One course for 50 users, and enough for everyone to be in four different ones."""
        return max(5, self.users // 50)

    @property
    def posts(self) -> int:
        """Two a user."""
        return 2 * self.users

    @property
    def groups(self) -> int:
        """One buddy group for ten users."""
        return max(2, self.users // 10)

    @property
    def direct_threads(self) -> int:
        """Chats between two users; each group has a thread besides."""
        return self.users // 4

    @property
    def threads(self) -> int:
        """All chats."""
        return self.groups + self.direct_threads

    def rows(self) -> dict[str, int]:
        """Rows by table, exact, in the order in which the tables are loaded.

        OptimizationLog is empty: it holds what was measured on this server, and nothing has been yet.
        """
        return {
            "User": self.users,
            "Course": self.courses,
            "Lesson": self.courses * LESSONS_PER_COURSE,
            "Enrollment": self.users * COURSES_PER_USER,
            "UserProgress": self.users * sum(LESSONS_STARTED),
            "BehaviorLog": self.logs,
            "SocialPost": self.posts,
            "PostComment": self.posts * COMMENTS_PER_POST,
            "PostLike": self.posts * LIKES_PER_POST,
            "BuddyGroup": self.groups,
            "BuddyMember": self.groups * MEMBERS_PER_GROUP,
            "ChatThread": self.threads,
            "ChatParticipant": self.groups * MEMBERS_PER_GROUP + self.direct_threads * 2,
            "ChatMessage": self.threads * MESSAGES_PER_THREAD,
            "RefreshToken": self.users * 2,
            "Certificate": self.users // 5,
            "Assignment": self.courses * ASSIGNMENTS_PER_COURSE,
            "Submission": self.users * 2,
            "Notification": self.users * 10,
            "OptimizationLog": 0,
        }


SIZES = {
    size.name: size
    for size in (
        Size("tiny", 50, 2_000),
        Size("small", 1_000, 100_000),
        Size("demo", 2_000, 500_000),
        Size("million", 5_000, 1_000_000),
        Size("medium", 10_000, 2_500_000),
        Size("bench", 50_000, 10_000_000),
    )
}


def size_named(name: str) -> Size:
    """The size of that name; raises PgkeelError for a name that does not exist."""
    if name not in SIZES:
        raise PgkeelError(f"There is no size {name!r}", f"Choose one of {', '.join(SIZES)}")
    return SIZES[name]
