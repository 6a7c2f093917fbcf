"""What the EdTech application does: its queries, as its three ORMs send them.

Each operation takes a session of the application and does one thing a user would wait for. The queries need the
foreign keys, unique indexes and defaults of files/edtech and nothing else.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from .chance import happens, pick
from .identifiers import BLOCK, identifier
from .vocabulary import RARE_EXPERIMENT, RARE_THEME, SENTENCES

Connection = psycopg.Connection[TupleRow]

BATCH = 25
"""Users in one analytics query, and logs in one batch insert."""
_KINDS = ("page_view", "video_play", "quiz_answer", "exercise_attempt", "lesson_complete")


@dataclass(frozen=True)
class Cast:
    """Who and what the operations are about; each non-empty."""

    users: list[tuple[str, str]]
    """Identifier and e-mail address."""
    lessons: list[str]
    threads: list[tuple[str, str]]
    """A thread and somebody who takes part."""
    now: datetime
    """The newest log: «the last 30 days» end here, however old the data is."""


def read_cast(connection: Connection) -> Cast:
    """Choose up to 500 users, lessons and threads, always the same ones of the same data.

    Raises PgkeelError when the reference database is not there or this role may not read it.
    """
    try:
        users = connection.execute('SELECT id, email FROM public."User" ORDER BY id LIMIT 500').fetchall()
        lessons = connection.execute('SELECT id FROM public."Lesson" ORDER BY id LIMIT 500').fetchall()
        threads = connection.execute(
            'SELECT "threadId", min("userId") FROM public."ChatParticipant" GROUP BY "threadId" ORDER BY "threadId" LIMIT 500'
        ).fetchall()
        newest = connection.execute(
            'SELECT max("timestamp") FROM public."BehaviorLog" WHERE "eventType" = %s', [_KINDS[0]]
        ).fetchone()
    except psycopg.Error as error:
        raise PgkeelError(
            f"The reference database cannot be read: {(error.diag.message_primary or str(error)).strip()}",
            "Load it with playbooks/edtech.yml, which also grants the application its privileges",
        ) from error
    if not (users and lessons and threads and newest and newest[0]):
        raise PgkeelError("The reference database is empty", "Load it with playbooks/edtech.yml")
    return Cast(
        [(row[0], row[1]) for row in users], [row[0] for row in lessons], [(row[0], row[1]) for row in threads], newest[0]
    )


@dataclass(frozen=True)
class Session:
    """One client of the application: its connection, its own choices, and whom it chooses from."""

    connection: Connection
    random: Random
    cast: Cast

    def query(self, statement: LiteralString | sql.Composed, *values: Any) -> list[TupleRow]:  # noqa: ANN401 - any bound value
        """Run one statement, prepared by the protocol, and fetch what it returns."""
        cursor = self.connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def user(self) -> str:
        """A user, the first ones far more often: as few people make most of the load."""
        return self._busy()[0]

    def email(self) -> str:
        """The address of such a user."""
        return self._busy()[1]

    def _busy(self) -> tuple[str, str]:
        return self.cast.users[int(self.random.random() ** 2 * len(self.cast.users))]

    def days_ago(self, days: int) -> datetime:
        """That long before the newest log."""
        return self.cast.now - timedelta(days=days)


def new_id() -> str:
    """An identifier as the application makes it; never the same twice, so that a workload can be repeated."""
    return identifier(time.time_ns() // 1_000_000, secrets.randbelow(BLOCK**2), secrets.randbelow(BLOCK))


def recent_logs(session: Session) -> None:
    """getRecentBehaviorLogs(userId, limit)."""
    session.query(
        """
        SELECT id, "sessionId", "eventType", "actionCategory", "timestamp", duration, payload FROM public."BehaviorLog"
         WHERE "userId" = %s ORDER BY "timestamp" DESC LIMIT 100
        """,
        session.user(),
    )


def recent_logs_since(session: Session) -> None:
    """getRecentBehaviorLogs(userId, limit, since)."""
    session.query(
        """
        SELECT id, "sessionId", "eventType", "actionCategory", "timestamp", duration, payload FROM public."BehaviorLog"
         WHERE "userId" = %s AND "timestamp" >= %s ORDER BY "timestamp" DESC LIMIT 100
        """,
        session.user(),
        session.days_ago(7),
    )


def session_events(session: Session) -> None:
    """The quiz answers of a user's latest session."""
    found = session.query(
        'SELECT "sessionId" FROM public."BehaviorLog" WHERE "userId" = %s ORDER BY "timestamp" DESC LIMIT 1', session.user()
    )
    for row in found:
        session.query(
            'SELECT id, "timestamp", payload FROM public."BehaviorLog" WHERE "sessionId" = %s AND "eventType" = %s',
            row[0],
            "quiz_answer",
        )


def session_replay(session: Session) -> None:
    """All that happened in a user's latest session, in order."""
    found = session.query(
        'SELECT "sessionId" FROM public."BehaviorLog" WHERE "userId" = %s ORDER BY "timestamp" DESC LIMIT 1', session.user()
    )
    for row in found:
        session.query(
            'SELECT id, "eventType", "timestamp" FROM public."BehaviorLog" WHERE "sessionId" = %s ORDER BY "timestamp"', row[0]
        )


def analytics_one_by_one(session: Session) -> None:
    """Figures of a class, a query a student: the N+1 that the application is to lose."""
    for _ in range(BATCH):
        session.query(
            """
            SELECT count(*), count(DISTINCT "eventType"), avg(duration) FROM public."BehaviorLog"
             WHERE "userId" = %s AND "timestamp" >= %s
            """,
            session.user(),
            session.days_ago(7),
        )


def analytics_grouped(session: Session) -> None:
    """The same figures in one query."""
    session.query(
        """
        SELECT "userId", count(*), count(DISTINCT "eventType"), avg(duration) FROM public."BehaviorLog"
         WHERE "userId" = ANY(%s) AND "timestamp" >= %s GROUP BY "userId"
        """,
        [session.user() for _ in range(BATCH)],
        session.days_ago(7),
    )


_ROW = sql.SQL("(%s, %s, %s, %s, 'learning', %s, %s)")


def _insert_logs(session: Session, count: int) -> None:
    user, visit = session.user(), new_id()
    values: list[Any] = []
    for sequence in range(count):
        payload = json.dumps({"v": 2, "seq": sequence, "device": {"type": "mobile", "os": "ios"}})
        values += [new_id(), user, visit, pick(session.random, _KINDS), round(session.random.random() * 90, 3), payload]
    session.query(
        sql.SQL(
            """
            INSERT INTO public."BehaviorLog" (id, "userId", "sessionId", "eventType", "actionCategory", duration, payload)
            VALUES {}
            """
        ).format(sql.SQL(", ").join([_ROW] * count)),
        *values,
    )


def insert_log(session: Session) -> None:
    """One log, as an unbatched client sends it."""
    _insert_logs(session, 1)


def insert_log_batch(session: Session) -> None:
    """Twenty-five logs in one statement."""
    _insert_logs(session, BATCH)


def update_progress(session: Session) -> None:
    """A student works on a lesson; the first time makes the row."""
    session.query(
        """
        INSERT INTO public."UserProgress" AS known
               (id, "userId", "lessonId", status, "timeSpentSeconds", "lastAccessedAt", "updatedAt")
        VALUES (%s, %s, %s, 'IN_PROGRESS', 30, now(), now())
        ON CONFLICT ("userId", "lessonId") DO UPDATE
           SET "timeSpentSeconds" = known."timeSpentSeconds" + 30, "lastAccessedAt" = now(), "updatedAt" = now()
        """,
        new_id(),
        session.user(),
        pick(session.random, session.cast.lessons),
    )


def course_progress(session: Session) -> None:
    """A student's courses, each with the lessons completed."""
    session.query(
        """
        SELECT course.id, course.title, enrolled.status, count(progress.id) FILTER (WHERE progress.status = 'COMPLETED')
          FROM public."Enrollment" AS enrolled
          JOIN public."Course" AS course ON course.id = enrolled."courseId"
          LEFT JOIN public."Lesson" AS lesson ON lesson."courseId" = course.id
          LEFT JOIN public."UserProgress" AS progress ON progress."lessonId" = lesson.id AND progress."userId" = enrolled."userId"
         WHERE enrolled."userId" = %s GROUP BY course.id, enrolled.status
        """,
        session.user(),
    )


def feed(session: Session) -> None:
    """The newest public posts with their authors."""
    session.query(
        """
        SELECT post.id, post.content, post."likeCount", post."createdAt", author.username
          FROM public."SocialPost" AS post JOIN public."User" AS author ON author.id = post."authorId"
         WHERE post.visibility = 'PUBLIC' ORDER BY post."createdAt" DESC LIMIT 20
        """
    )


def read_chat(session: Session) -> None:
    """The last messages of a thread."""
    session.query(
        """
        SELECT id, "senderId", content, "createdAt" FROM public."ChatMessage"
         WHERE "threadId" = %s ORDER BY "createdAt" DESC LIMIT 50
        """,
        pick(session.random, session.cast.threads)[0],
    )


def send_message(session: Session) -> None:
    """A message, and the thread moves up: one transaction."""
    thread, sender = pick(session.random, session.cast.threads)
    with session.connection.transaction():
        session.query(
            'INSERT INTO public."ChatMessage" (id, "threadId", "senderId", content) VALUES (%s, %s, %s, %s)',
            new_id(),
            thread,
            sender,
            pick(session.random, SENTENCES),
        )
        session.query('UPDATE public."ChatThread" SET "lastMessageAt" = now(), "updatedAt" = now() WHERE id = %s', thread)


def log_in(session: Session) -> None:
    """Find the user by e-mail; one login in eight fails and is counted, a good one resets the count."""
    email, failed = session.email(), happens(session.random, 1 / 8)
    with session.connection.transaction():
        session.query(
            'SELECT id, "passwordHash", role, "failedLoginAttempts", "lockedUntil" FROM public."User" WHERE email = %s', email
        )
        if failed:
            session.query(
                """
                UPDATE public."User" SET "failedLoginAttempts" = "failedLoginAttempts" + 1, "updatedAt" = now() WHERE email = %s
                """,
                email,
            )
        else:
            session.query(
                """
                UPDATE public."User" SET "failedLoginAttempts" = 0, "lastLoginAt" = now(), "updatedAt" = now() WHERE email = %s
                """,
                email,
            )


def users_by_theme(session: Session) -> None:
    """JSONB containment on metadata, mostly for a value that hardly anybody has."""
    theme = RARE_THEME if happens(session.random, 0.7) else "dark"
    session.query(
        'SELECT id, username FROM public."User" WHERE metadata @> %s::jsonb LIMIT 50',
        json.dumps({"preferences": {"theme": theme}}),
    )


def logs_by_payload(session: Session) -> None:
    """JSONB containment on payload, for a rare experiment."""
    session.query(
        """SELECT id, "userId" FROM public."BehaviorLog" WHERE payload @> %s::jsonb LIMIT 50""",
        json.dumps({"experiment": {"name": RARE_EXPERIMENT}}),
    )


def dashboard(session: Session) -> None:
    """Events and active users a day, of the last 30 days."""
    session.query(
        """
        SELECT date_trunc('day', "timestamp") AS day, count(*), count(DISTINCT "userId") FROM public."BehaviorLog"
         WHERE "timestamp" >= %s GROUP BY day ORDER BY day
        """,
        session.days_ago(30),
    )


def category_report(session: Session) -> None:
    """What the last 30 days were spent on."""
    session.query(
        """
        SELECT "actionCategory", "eventType", count(*), avg(duration) FROM public."BehaviorLog"
         WHERE "timestamp" >= %s GROUP BY "actionCategory", "eventType" ORDER BY count(*) DESC
        """,
        session.days_ago(30),
    )


def category_total(session: Session) -> None:
    """How many events of the rarest category there are, ever."""
    session.query('SELECT count(*) FROM public."BehaviorLog" WHERE "actionCategory" = %s', "system")


OPERATIONS: tuple[tuple[Callable[[Session], None], int], ...] = (
    (recent_logs, 160),
    (recent_logs_since, 160),
    (session_events, 40),
    (session_replay, 20),
    (analytics_one_by_one, 10),
    (analytics_grouped, 20),
    (insert_log, 150),
    (insert_log_batch, 40),
    (update_progress, 110),
    (course_progress, 40),
    (feed, 60),
    (read_chat, 60),
    (send_message, 40),
    (log_in, 60),
    (users_by_theme, 15),
    (logs_by_payload, 5),
    (dashboard, 4),
    (category_report, 4),
    (category_total, 2),
)
"""What is done, and how often of 1,000 times."""
