"""Loops are told from busy statements: a simulated application whose traffic moves everything at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from pgkeel.advisor.batch_query import batch_query
from pgkeel.advisor.facts import Catalog, ColumnFacts, IndexFacts, TableFacts
from pgkeel.advisor.model import Kind, Statement
from pgkeel.advisor.n_plus_one import Interval, advise_batches, find_loops, intervals_of
from pgkeel.advisor.redaction import redact
from pgkeel.advisor.snapshots import Counters, Entry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def table(name, *columns, unique=("id",)):
    facts = {column: ColumnFacts(column, "text") for column in columns}
    indexes = tuple(IndexFacts(f"{name}_{column}_key", "btree", (column,), unique=True) for column in unique)
    return TableFacts("public", name, 1e6, 10_000, facts, indexes)


TABLES = (
    table("User", "id", "email", "username", "role", unique=("id", "email")),
    table("Course", "id", "title", "teacherId"),
    table("Enrollment", "id", "userId", "courseId", "status"),
    table("BehaviorLog", "id", "userId", "sessionId", "eventType", "timestamp", "duration"),
    table("SocialPost", "id", "authorId", "content", "createdAt"),
    table("PostComment", "id", "postId", "authorId", "content", "createdAt"),
    table("RefreshToken", "id", "userId", "token"),
    table("Setting", "id", "name", "value"),
)
CATALOG = Catalog({one.id: one for one in TABLES})


def key(name, column):
    return ("public", name), column


KEYS = {}
for mine, other in (
    (key("Course", "teacherId"), key("User", "id")),
    (key("Enrollment", "userId"), key("User", "id")),
    (key("Enrollment", "courseId"), key("Course", "id")),
    (key("BehaviorLog", "userId"), key("User", "id")),
    (key("SocialPost", "authorId"), key("User", "id")),
    (key("PostComment", "postId"), key("SocialPost", "id")),
    (key("PostComment", "authorId"), key("User", "id")),
    (key("RefreshToken", "userId"), key("User", "id")),
):
    KEYS.setdefault(mine, set()).add(other)
    KEYS.setdefault(other, set()).add(mine)

# As Kysely prints them: lower case, every name quoted.
STUDENTS = 'select "id", "username" from "User" where "role" = $1 limit $2'
FIGURES = 'select count(*) as "n", avg("duration") as "avg" from "BehaviorLog" where "userId" = $1 and "timestamp" >= $2'
# As Drizzle prints them: every column with its table; a relational query asks for one with a limit.
POSTS = (
    'select "id", "authorId", "content" from "SocialPost" where "SocialPost"."createdAt" > $1 '
    'order by "SocialPost"."createdAt" desc limit $2'
)
AUTHOR = 'select "User"."id", "User"."username" from "User" "User" where "User"."id" = $1 limit $2'
# As Prisma prints them.
COURSES = 'SELECT "public"."Course"."id", "public"."Course"."title" FROM "public"."Course" WHERE 1=1 OFFSET $1'
ENROLLED = (
    'SELECT COUNT(*) FROM (SELECT "public"."Enrollment"."id" FROM "public"."Enrollment" '
    'WHERE "public"."Enrollment"."courseId" = $1 OFFSET $2) AS "sub"'
)
# Busy and healthy.
SESSION = 'select "userId" from "RefreshToken" where "token" = $1'
LOGIN = 'select "id", "username" from "User" where "email" = $1'
PROFILE = 'select "id", "email", "username", "role" from "User" where "User"."id" = $1'
INSERT = 'insert into "BehaviorLog" ("id", "userId") values ($1, $2)'
SETTING = 'select "value" from "Setting" where "name" = $1'
THREAD = 'select "id", "content" from "PostComment" where "postId" = $1 order by "createdAt"'
RECENT = 'select "id", "timestamp" from "BehaviorLog" where "userId" = $1 order by "timestamp" desc limit $2'
FEED = (
    'select "p"."id", "p"."content", "u"."username" from "SocialPost" as "p" '
    'join "User" as "u" on "u"."id" = "p"."authorId" limit $1'
)
MINE = 'select "courseId", "status" from "Enrollment" where "userId" = $1'

TEXTS = (
    STUDENTS,
    FIGURES,
    POSTS,
    AUTHOR,
    COURSES,
    ENROLLED,
    SESSION,
    LOGIN,
    PROFILE,
    INSERT,
    SETTING,
    THREAD,
    RECENT,
    FEED,
    MINE,
)
IDS = {text: number for number, text in enumerate(TEXTS, start=1)}


def simulate(seed, hours=10, *, loops=(STUDENTS, POSTS, COURSES)):
    """Calls and rows by hour. Requests per hour vary by the time of day; each request does what its page does."""
    random = Random(seed)
    children = {STUDENTS: FIGURES, POSTS: AUTHOR, COURSES: ENROLLED}
    found = []
    for hour in range(hours):
        calls, rows = dict.fromkeys(IDS.values(), 0), dict.fromkeys(IDS.values(), 0)

        def run(text, returned, times=1, calls=calls, rows=rows):
            calls[IDS[text]] += times
            rows[IDS[text]] += returned * times

        for _ in range(int(random.uniform(0.5, 1.5) * (60 + 50 * (hour % 5)))):
            run(SESSION, 1)  # each request
            run(SETTING, 1, 3)
            page = random.choice(["profile", "feed", "thread", "recent", "class", "posts", "courses", "login", "insert", "mine"])
            if page == "profile":
                run(PROFILE, 1)
            elif page == "feed":
                run(FEED, 20)
            elif page == "thread":
                run(THREAD, random.randint(0, 40))
            elif page == "recent":
                run(RECENT, 100)
            elif page == "login":
                run(LOGIN, random.random() < 0.9)
            elif page == "insert":
                run(INSERT, 1, random.randint(1, 30))
            elif page == "mine":
                run(MINE, random.randint(1, 8))
            else:
                parent = {"class": STUDENTS, "posts": POSTS, "courses": COURSES}[page]
                returned = {"class": random.randint(15, 35), "posts": 20, "courses": random.randint(3, 12)}[page]
                run(parent, returned)
                if parent in loops:
                    # A row in fifty has no key, and its child is not asked for.
                    run(children[parent], 1, sum(random.random() > 0.02 for _ in range(returned)))
        found.append(Interval(calls, rows))
    return found


def statements(intervals):
    return [
        Statement(
            number,
            redact(text),
            sum(one.calls[number] for one in intervals),
            1.0 * number,
            sum(one.rows[number] for one in intervals),
            0,
            0,
            NOW,
        )
        for text, number in IDS.items()
    ]


def loops_of(intervals):
    found = find_loops(statements(intervals), intervals, CATALOG, KEYS)
    return {(loop.parent.query_id, loop.child.query_id) for loop in found}


REAL = {(IDS[STUDENTS], IDS[FIGURES]), (IDS[POSTS], IDS[AUTHOR]), (IDS[COURSES], IDS[ENROLLED])}


@pytest.mark.parametrize("seed", range(40))
def test_three_of_three_and_no_false_alarm(seed):
    assert loops_of(simulate(seed)) == REAL


@pytest.mark.parametrize("seed", range(40))
def test_the_same_application_without_loops_is_left_alone(seed):
    assert loops_of(simulate(seed, loops=())) == set()


def test_counting_calls_alone_would_have_cried_wolf():
    busy = {one.query_id for one in statements(simulate(1)) if one.calls >= 1000}
    assert len(busy - {child for _, child in REAL}) >= 2


def test_too_few_intervals_are_no_proof():
    assert loops_of(simulate(3, hours=4)) == set()


def test_a_child_of_another_table_that_only_keeps_pace_is_none():
    intervals = simulate(5, loops=())
    # Each row of POSTS happens to go with one SETTING, which asks for nothing that a post has.
    paced = [
        replace(
            one, calls={**one.calls, IDS[SETTING]: one.rows[IDS[POSTS]]}, rows={**one.rows, IDS[SETTING]: one.rows[IDS[POSTS]]}
        )
        for one in intervals
    ]
    assert loops_of(paced) == set()


def test_the_one_tenant_of_all_rows_is_no_key_to_ask_by():
    """Each page reads the two roles of its tenant, and twice what the tenant has: the same value, however many rows."""
    tables = {
        one.id: one for one in (table("Role", "id", "tenantId"), table("Limit", "id", "tenantId", "most"), table("Tenant", "id"))
    }
    roles = 'select "id" from "Role" where "tenantId" = $1'
    limits = 'select "most" from "Limit" where "tenantId" = $1'
    intervals = [Interval({1: n, 2: 2 * n}, {1: 2 * n, 2: 2 * n}) for n in (100, 250, 80, 300, 120, 90)]
    pair = [Statement(1, roles, 940, 1, 1880, 0, 0, NOW), Statement(2, limits, 1880, 1, 1880, 0, 0, NOW)]
    keys = {
        key("Role", "tenantId"): frozenset({key("Tenant", "id")}),
        key("Limit", "tenantId"): frozenset({key("Tenant", "id")}),
        key("Tenant", "id"): frozenset({key("Role", "tenantId"), key("Limit", "tenantId")}),
    }
    assert find_loops(pair, intervals, Catalog(tables), keys) == ()
    assert find_loops(pair, intervals, Catalog(tables), {}) == ()
    # Of several tenants at once it may be one.
    several = replace(pair[0], text='select "id", "tenantId" from "Role" where "tenantId" in ($1, $2)')
    assert find_loops([several, pair[1]], intervals, Catalog(tables), keys)


def test_a_chain_of_two_queries_is_none():
    """The latest session of a user, then its events: one row, one call."""
    latest = 'select "sessionId" from "BehaviorLog" where "userId" = $1 order by "timestamp" desc limit $2'
    events = 'select "id" from "BehaviorLog" where "sessionId" = $1'
    intervals = [Interval({1: n, 2: n}, {1: n, 2: 9 * n}) for n in (100, 250, 80, 300, 120, 90)]
    pair = [Statement(1, latest, 940, 1, 940, 0, 0, NOW), Statement(2, events, 940, 1, 8460, 0, 0, NOW)]
    assert find_loops(pair, intervals, CATALOG, KEYS) == ()


def test_the_advice_names_both_and_gives_the_one_query():
    intervals = simulate(7)
    found = advise_batches(find_loops(statements(intervals), intervals, CATALOG, KEYS), CATALOG)
    batches = {one.statement: one for one in found}
    assert batches[FIGURES].kind is Kind.BATCH
    assert batches[FIGURES].metadata["parent"] == STUDENTS
    assert batches[FIGURES].statements == (IDS[FIGURES], IDS[STUDENTS])
    assert batches[FIGURES].metadata["batch_query"] == (
        'SELECT count(*) AS n, avg(duration) AS avg, "userId" FROM "BehaviorLog" '
        'WHERE "userId" = ANY($1) AND timestamp >= $2 GROUP BY "userId"'
    )
    assert batches[AUTHOR].metadata["batch_query"] == (
        'SELECT "User".id, "User".username FROM "User" AS "User" WHERE "User".id = ANY($1)'
    )
    assert "unnest($1::text[])" in batches[ENROLLED].metadata["batch_query"]
    assert len({one.fingerprint for one in found}) == 3


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        ('SELECT * FROM "Enrollment" WHERE "userId" = $1', 'SELECT * FROM "Enrollment" WHERE "userId" = ANY($1)'),
        (
            'SELECT status, count(*) FROM "Enrollment" WHERE $1 = "userId" GROUP BY 1 ORDER BY 2',
            'SELECT status, count(*), "userId" FROM "Enrollment" WHERE "userId" = ANY($1) GROUP BY 1, "userId" ORDER BY 2',
        ),
        (
            'SELECT id FROM "Enrollment" e WHERE e."userId" = $1 ORDER BY id LIMIT 3',
            "SELECT wanted.key, found.* FROM unnest($1::text[]) AS wanted(key) CROSS JOIN LATERAL "
            '(SELECT id FROM "Enrollment" AS e WHERE e."userId" = wanted.key ORDER BY id LIMIT 3) AS found',
        ),
        (
            'SELECT id FROM "Enrollment" WHERE "userId" = $1 OR status = $2',
            "SELECT wanted.key, found.* FROM unnest($1::text[]) AS wanted(key) CROSS JOIN LATERAL "
            '(SELECT id FROM "Enrollment" WHERE "userId" = wanted.key OR status = $2) AS found',
        ),
        ('DELETE FROM "Enrollment" WHERE "userId" = $1', ""),
    ],
)
def test_batch_queries(child, expected):
    assert batch_query(child, 1, key("Enrollment", "userId"), CATALOG) == expected


@pytest.mark.parametrize(
    "rest",
    [
        'u.id FROM "User" u JOIN "Enrollment" e ON e."userId" = u.id WHERE u.id = $1 ORDER BY e.status LIMIT 3',
        'u.id FROM "User" u, "Enrollment" e WHERE u.id = $1 LIMIT 3',
        'unnest(u.role) FROM "User" AS u WHERE u.id = $1 LIMIT 3',
        'u.id FROM "User" AS u WHERE u.id = $1 OFFSET 1',
        'u.id FROM "User" AS u WHERE u.id = $1 LIMIT 1 OFFSET 1',
        'u.id FROM "User" AS u WHERE u.id = $1 OR u.email = $2 LIMIT 1',
        'u.id FROM "Course" AS u WHERE u.id = $1 LIMIT 1',
    ],
)
def test_a_limit_stays_beside_each_value_where_one_may_have_several_rows(rest):
    found = batch_query(f"SELECT {rest}", 1, key("User", "id"), CATALOG)
    assert "CROSS JOIN LATERAL" in found
    assert ("LIMIT" in found, "OFFSET" in found) == ("LIMIT" in rest, "OFFSET" in rest)


def test_intervals_are_the_differences_and_a_reset_leaves_one_out():
    def at(hour, calls, since=NOW):
        entry = Entry(1, 10, True, calls, 1.0, 2 * calls, 0, 0, since)
        return Counters("app", NOW + timedelta(hours=hour), NOW, 0, (entry,))

    history = [at(0, 10), at(1, 25), at(2, 4, since=NOW + timedelta(hours=1)), at(3, 9, since=NOW + timedelta(hours=1))]
    assert intervals_of(history) == (Interval({1: 15}, {1: 30}), Interval({1: 5}, {1: 10}))
