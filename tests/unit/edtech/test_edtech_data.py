"""The generator: the same bytes every time, in the shape of a real school."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from pgkeel.edtech.sizes import SIZES, Size, size_named
from pgkeel.edtech.tables import TABLES
from pgkeel.edtech.vocabulary import RARE_EXPERIMENT, RARE_THEME
from pgkeel.edtech.world import World, build_world
from pgkeel.errors import PgkeelError

REFERENCE = date(2026, 3, 2)
MIDDLE = Size("middle", 1_000, 60_000)


def unescape(text: str) -> str | None:
    if text == r"\N":
        return None
    return text.replace(r"\\", "\0").replace(r"\n", "\n").replace(r"\t", "\t").replace(r"\r", "\r").replace("\0", "\\")


def rows_of(name: str, world: World) -> list[dict[str, str | None]]:
    table = next(table for table in TABLES if table.name == name)
    text = b"".join(table.chunks(world)).decode()
    rows = [[unescape(value) for value in line.split("\t")] for line in text.split("\n")[:-1]]
    return [dict(zip(table.columns, row, strict=True)) for row in rows]


def digest(size: Size, seed: int, reference: date) -> str:
    world, total = build_world(size, seed, reference), hashlib.sha256()
    for table in TABLES:
        total.update(table.name.encode())
        for chunk in table.chunks(world):
            total.update(chunk)
    return total.hexdigest()


@pytest.fixture(scope="module")
def tiny() -> dict[str, list[dict[str, str | None]]]:
    world = build_world(SIZES["tiny"], 1, REFERENCE)
    return {table.name: rows_of(table.name, world) for table in TABLES}


@pytest.fixture(scope="module")
def logs() -> list[dict[str, str | None]]:
    return rows_of("BehaviorLog", build_world(MIDDLE, 1, REFERENCE))


def moment(row: dict[str, str | None], column: str = "timestamp") -> datetime:
    value = row[column]
    assert value is not None
    return datetime.fromisoformat(value)


def test_the_same_arguments_give_the_same_bytes_on_every_machine():
    assert digest(SIZES["tiny"], 1, REFERENCE) == "4e08745bf68f8314c705c5f6a0e9c41c4b73042154d8f08f0201dab01ddaefe2"


def test_seed_and_date_change_the_bytes():
    first = digest(SIZES["tiny"], 1, REFERENCE)
    assert digest(SIZES["tiny"], 2, REFERENCE) != first
    assert digest(SIZES["tiny"], 1, REFERENCE + timedelta(days=1)) != first


def test_the_seed_reaches_the_rows_of_every_table_that_has_texts():
    first, second = (rows_of("ChatMessage", build_world(SIZES["tiny"], seed, REFERENCE)) for seed in (1, 2))
    assert [row["content"] for row in first] != [row["content"] for row in second]


def test_a_table_does_not_depend_on_which_others_were_made_before_it():
    world = build_world(SIZES["tiny"], 1, REFERENCE)
    alone = rows_of("ChatMessage", world)
    for table in TABLES:
        list(table.chunks(world))
    assert rows_of("ChatMessage", world) == alone


@pytest.mark.parametrize("size", [SIZES["tiny"], MIDDLE, Size("odd", 53, 1_237)])
def test_the_sizes_say_exactly_how_many_rows_there_are(size):
    world = build_world(size, 3, REFERENCE)
    counted = {table.name: sum(chunk.count(b"\n") for chunk in table.chunks(world)) for table in TABLES}
    assert counted == size.rows()


def test_the_named_sizes_are_those_of_the_documentation():
    assert {size.name: (size.users, size.logs) for size in SIZES.values()} == {
        "tiny": (50, 2_000),
        "small": (1_000, 100_000),
        "demo": (2_000, 500_000),
        "million": (5_000, 1_000_000),
        "medium": (10_000, 2_500_000),
        "bench": (50_000, 10_000_000),
    }
    with pytest.raises(PgkeelError, match=r"no size 'huge'.*tiny, small, demo, million, medium, bench"):
        size_named("huge")


def test_identifiers_are_25_characters_and_unique_over_all_tables(tiny):
    seen = Counter(row["id"] for rows in tiny.values() for row in rows if "id" in row)
    assert all(len(key) == 25 and key[0] == "c" and key.isalnum() for key in seen)
    assert max(seen.values()) == 1


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("User", ["email"]),
        ("User", ["username"]),
        ("Course", ["slug"]),
        ("Lesson", ["courseId", "position"]),
        ("Enrollment", ["userId", "courseId"]),
        ("UserProgress", ["userId", "lessonId"]),
        ("PostLike", ["postId", "userId"]),
        ("BuddyMember", ["groupId", "userId"]),
        ("ChatParticipant", ["threadId", "userId"]),
        ("RefreshToken", ["tokenHash"]),
        ("Certificate", ["userId", "courseId"]),
        ("Submission", ["assignmentId", "userId"]),
    ],
)
@pytest.mark.parametrize("size", [SIZES["tiny"], MIDDLE, Size("odd", 53, 100)], ids=lambda size: size.name)
def test_what_is_unique_in_the_schema_is_unique_in_the_data(table, columns, size):
    rows = rows_of(table, build_world(size, 5, REFERENCE))
    assert len({tuple(row[column] for column in columns) for row in rows}) == len(rows)


def test_nothing_happens_after_the_reference_date_and_nothing_before_its_user_exists(tiny):
    end = datetime.combine(REFERENCE, datetime.min.time())
    born = {row["id"]: moment(row, "createdAt") for row in tiny["User"]}
    for row in tiny["BehaviorLog"]:
        assert end - timedelta(days=90) <= moment(row) < end
        assert moment(row) > born[row["userId"]]
    for name, column in (("Enrollment", "enrolledAt"), ("UserProgress", "lastAccessedAt"), ("Submission", "submittedAt")):
        for row in tiny[name]:
            assert born[row["userId"]] <= moment(row, column) < end
    for row in tiny["SocialPost"]:
        assert born[row["authorId"]] <= moment(row, "createdAt") < end


def test_json_is_valid_nested_and_sometimes_absent(tiny):
    payloads = [row["payload"] for row in tiny["BehaviorLog"]]
    assert 0.02 < payloads.count(None) / len(payloads) < 0.1
    parsed = [json.loads(payload) for payload in payloads if payload]
    assert all(payload["device"]["viewport"]["w"] > 0 and payload["context"]["courseId"] for payload in parsed)
    metadata = [json.loads(row["metadata"]) for row in tiny["User"] if row["metadata"]]
    assert len(metadata) == 49
    assert all(isinstance(value["preferences"]["notifications"]["email"], bool) for value in metadata)


def test_free_text_holds_what_breaks_a_careless_dump(tiny):
    texts = " ".join(row["content"] or "" for row in tiny["ChatMessage"])
    assert all(awkward in texts for awkward in ("\n", "\t", "\\", '"', "図", "👋🏽"))


def test_the_logs_are_in_the_order_of_their_time_and_interleave_sessions(logs):
    moments = [moment(row) for row in logs]
    assert moments == sorted(moments)
    neighbours = sum(1 for first, second in pairwise(logs) if first["sessionId"] == second["sessionId"])
    assert neighbours / len(logs) < 0.7


def test_a_few_users_make_most_of_the_logs(logs):
    counts = sorted(Counter(row["userId"] for row in logs).values(), reverse=True)
    busiest = sum(counts[:10]) / len(logs)
    assert 0.08 < busiest < 0.25, busiest
    assert counts[0] > 10 * counts[len(counts) // 2]
    assert len(counts) > 700


def test_classes_start_in_bursts_on_weekday_mornings(logs):
    first: dict[str | None, datetime] = {}
    for row in logs:
        first.setdefault(row["sessionId"], moment(row))
    weekdays = [start for start in first.values() if start.weekday() < 5]
    weekends = [start for start in first.values() if start.weekday() >= 5]
    burst = sum(1 for start in weekdays if start.hour in {8, 9, 10, 11, 13, 14} and start.minute < 10) / len(weekdays)
    assert 0.4 < burst < 0.8, burst
    assert sum(1 for start in weekends if start.minute < 10) / len(weekends) < 0.3
    assert len(weekends) / 2 < 0.5 * len(weekdays) / 5
    assert not any(start.hour < 6 for start in first.values())


def test_a_session_belongs_to_one_user_and_lasts_less_than_an_hour(logs):
    sessions = defaultdict(list)
    for row in logs:
        sessions[row["sessionId"]].append(row)
    for rows in sessions.values():
        assert len({row["userId"] for row in rows}) == 1
        assert moment(rows[-1]) - moment(rows[0]) < timedelta(hours=1)
        assert rows[0]["eventType"] == "session_start"
        assert [row["eventType"] for row in rows].count("session_start") == 1
    assert 4 < len(logs) / len(sessions) < 25


def test_all_ninety_days_have_logs_and_a_third_are_of_the_last_thirty(logs):
    assert len({moment(row).date() for row in logs}) == 90
    recent = sum(1 for row in logs if moment(row).date() >= REFERENCE - timedelta(days=30)) / len(logs)
    assert 0.28 < recent < 0.38


def test_durations_are_positive_and_absent_where_an_event_has_none(logs):
    missing = {row["eventType"] for row in logs if row["duration"] is None}
    given = {row["eventType"] for row in logs if row["duration"] is not None}
    assert not missing & given
    assert all(float(row["duration"]) > 0 for row in logs if row["duration"])


def test_rare_values_are_as_rare_as_promised():
    large = build_world(Size("large", 20_000, 20_000), 1, REFERENCE)
    themes = Counter(json.loads(row["metadata"])["preferences"]["theme"] for row in rows_of("User", large) if row["metadata"])
    assert themes[RARE_THEME] == 2  # users 7 and 10,007
    assert 0.3 < themes["dark"] / 20_000 < 0.45
    rare = [row for row in rows_of("BehaviorLog", large) if RARE_EXPERIMENT in (row["payload"] or "")]
    assert len(rare) == 2
