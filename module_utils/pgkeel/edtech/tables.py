"""Every table of the reference database: its columns, and its rows as COPY text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from . import people, social
from .behavior import behavior_logs
from .world import World

LINES_PER_CHUNK = 2_000


@dataclass(frozen=True)
class Table:
    """A table as COPY fills it."""

    name: str
    columns: tuple[str, ...]
    lines: Callable[[World], Iterator[str]]

    def chunks(self, world: World) -> Iterator[bytes]:
        """Its rows, UTF-8, 2,000 at a time."""
        lines = self.lines(world)
        while chunk := "".join(islice(lines, LINES_PER_CHUNK)):
            yield chunk.encode()


@dataclass(frozen=True)
class LogTable(Table):
    """The largest one, which makes chunks itself."""

    def chunks(self, world: World) -> Iterator[bytes]:
        """Its rows, UTF-8, at most 2,000 at a time."""
        return behavior_logs(world)


def _nothing(_world: World) -> Iterator[str]:
    return iter(())


def _table(name: str, lines: Callable[[World], Iterator[str]], columns: str) -> Table:
    return Table(name, tuple(columns.split()), lines)


TABLES: tuple[Table, ...] = (
    _table(
        "User",
        people.users,
        "id email username passwordHash firstName lastName role preferredLocale preferredLanguage isActive failedLoginAttempts"
        " lockedUntil lastLoginAt emailVerifiedAt metadata createdAt updatedAt",
    ),
    _table(
        "Course",
        people.courses,
        "id slug title description level status language teacherId priceCents tags settings createdAt updatedAt",
    ),
    _table(
        "Lesson",
        people.lessons,
        "id courseId position title type content videoUrl durationMinutes isPublished createdAt updatedAt",
    ),
    _table("Enrollment", people.enrollments, "id userId courseId status progressPercent enrolledAt completedAt"),
    _table(
        "UserProgress",
        people.progress,
        "id userId lessonId status score timeSpentSeconds lastAccessedAt completedAt createdAt updatedAt",
    ),
    LogTable(
        "BehaviorLog",
        ("id", "userId", "sessionId", "eventType", "actionCategory", "timestamp", "duration", "payload"),
        _nothing,
    ),
    _table(
        "SocialPost",
        social.posts,
        "id authorId courseId content visibility likeCount commentCount metadata createdAt updatedAt",
    ),
    _table("PostComment", social.comments, "id postId authorId parentId content createdAt updatedAt"),
    _table("PostLike", social.likes, "postId userId createdAt"),
    _table("BuddyGroup", social.groups, "id name creatorId courseId maxMembers isPrivate settings createdAt updatedAt"),
    _table("BuddyMember", social.members, "id groupId userId role joinedAt"),
    _table("ChatThread", social.threads, "id groupId title lastMessageAt createdAt updatedAt"),
    _table("ChatParticipant", social.participants, "threadId userId lastReadAt joinedAt"),
    _table("ChatMessage", social.messages, "id threadId senderId content attachments editedAt createdAt"),
    _table("RefreshToken", people.refresh_tokens, "id userId tokenHash userAgent expiresAt revokedAt createdAt"),
    _table("Certificate", people.certificates, "id userId courseId serialNumber grade metadata issuedAt"),
    _table("Assignment", people.assignments, "id courseId title instructions maxPoints dueAt createdAt updatedAt"),
    _table("Submission", people.submissions, "id assignmentId userId graderId content status points submittedAt gradedAt"),
    _table("Notification", people.notifications, "id userId type title body data readAt createdAt"),
    _table(
        "OptimizationLog",
        _nothing,
        "id queryText recommendation performanceGain confidence source metadata createdAt appliedAt",
    ),
)
"""In the order in which they are loaded; foreign keys are added afterwards."""
