"""Workloads of different shape for the advisor's benchmark; data and statements come from a seed and are nobody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

Query = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Shape:
    """One workload."""

    name: str
    setup: Callable[[float], str]
    """SQL that makes and fills the tables, by scale."""
    queries: Callable[[Random, float], list[Query]]
    """Statements with their values; several of each kind."""


def _star(scale: float) -> str:
    facts = int(600_000 * scale)
    return f"""
    CREATE TABLE dim_day (id int PRIMARY KEY, day date NOT NULL, month int NOT NULL, year int NOT NULL, weekday int NOT NULL);
    INSERT INTO dim_day SELECT n, date '2023-01-01' + n, extract(month FROM date '2023-01-01' + n), extract(year FROM date '2023-01-01' + n),
      extract(isodow FROM date '2023-01-01' + n) FROM generate_series(0, 1094) n;
    CREATE TABLE dim_shop (id int PRIMARY KEY, city text NOT NULL, region text NOT NULL, opened date NOT NULL);
    INSERT INTO dim_shop SELECT n, 'city ' || n % 120, 'region ' || n % 8, date '2010-01-01' + n % 4000 FROM generate_series(1, 400) n;
    CREATE TABLE dim_item (id int PRIMARY KEY, code text NOT NULL, brand text NOT NULL, class text NOT NULL, price numeric(10,2) NOT NULL);
    INSERT INTO dim_item SELECT n, 'I-' || lpad(n::text, 6, '0'), 'brand ' || (n * 7) % 300, 'class ' || n % 25, (n * 37) % 1000 / 10.0
      FROM generate_series(1, 8000) n;
    CREATE TABLE dim_buyer (id int PRIMARY KEY, name text NOT NULL, segment text NOT NULL, email text NOT NULL, joined date NOT NULL);
    INSERT INTO dim_buyer SELECT n, 'buyer ' || n, 'segment ' || (n * 13) % 6, 'b' || n || '@example.org', date '2015-01-01' + n % 3000
      FROM generate_series(1, {int(40_000 * scale)}) n;
    CREATE TABLE sale (
      id bigint PRIMARY KEY, day_id int NOT NULL, shop_id int NOT NULL, item_id int NOT NULL, buyer_id int NOT NULL, quantity int NOT NULL,
      amount numeric(10,2) NOT NULL, channel text NOT NULL, returned boolean NOT NULL, note text
    );
    INSERT INTO sale SELECT n, n * 1095 / {facts}, 1 + (hashint4(n) & 65535) % 400, 1 + (hashint4(n + 1) & 1048575) % 8000,
      1 + (hashint4(n + 2) & 1048575) % {int(40_000 * scale)}, 1 + n % 5, (n * 31) % 5000 / 10.0, (ARRAY['web','shop','phone'])[1 + n % 3],
      hashint4(n + 3) % 50 = 0, CASE WHEN n % 10 = 0 THEN 'note ' || md5(n::text) END FROM generate_series(1, {facts}) n;
    """


def _star_queries(random: Random, scale: float) -> list[Query]:
    found: list[Query] = []
    for _ in range(4):
        day = random.randint(100, 900)
        shop, item, buyer = random.randint(1, 400), random.randint(1, 8000), random.randint(1, int(40_000 * scale))
        found += [
            ("SELECT sum(amount) FROM sale WHERE day_id BETWEEN %s AND %s AND shop_id = %s", (day, day + 30, shop)),
            ("SELECT item_id, sum(quantity) FROM sale WHERE shop_id = %s GROUP BY item_id ORDER BY 2 DESC LIMIT 20", (shop,)),
            ("SELECT * FROM sale WHERE buyer_id = %s ORDER BY day_id DESC LIMIT 10", (buyer,)),
            (
                "SELECT d.year, d.month, sum(s.amount) FROM sale s JOIN dim_day d ON d.id = s.day_id JOIN dim_item i ON i.id = s.item_id"
                " WHERE i.brand = %s GROUP BY d.year, d.month",
                (f"brand {random.randint(0, 299)}",),
            ),
            (
                "SELECT b.segment, count(*) FROM sale s JOIN dim_buyer b ON b.id = s.buyer_id JOIN dim_shop p ON p.id = s.shop_id"
                " WHERE p.city = %s AND s.day_id > %s GROUP BY b.segment",
                (f"city {random.randint(0, 119)}", 1095 - random.randint(10, 60)),
            ),
            ("SELECT count(*), sum(amount) FROM sale WHERE returned AND day_id >= %s", (1095 - random.randint(5, 40),)),
            ("SELECT id, name FROM dim_buyer WHERE lower(email) = %s", (f"b{buyer}@example.org",)),
            ("SELECT * FROM dim_item WHERE code = %s", (f"I-{item:06d}",)),
            ("SELECT channel, avg(amount) FROM sale WHERE item_id = %s GROUP BY channel", (item,)),
            ("SELECT buyer_id, count(*) FROM sale WHERE day_id = %s GROUP BY buyer_id HAVING count(*) > %s", (day, 1)),
            ("SELECT id FROM sale WHERE note LIKE %s", (f"%{random.randint(10000, 99999)}%",)),
        ]
    return found


def _mixed(scale: float) -> str:
    accounts = int(200_000 * scale)
    return f"""
    CREATE TABLE branch (bid int PRIMARY KEY, balance int NOT NULL);
    INSERT INTO branch SELECT n, 0 FROM generate_series(1, 20) n;
    CREATE TABLE teller (tid int PRIMARY KEY, bid int NOT NULL, balance int NOT NULL);
    INSERT INTO teller SELECT n, 1 + n % 20, 0 FROM generate_series(1, 200) n;
    CREATE TABLE account (aid int PRIMARY KEY, bid int NOT NULL, balance int NOT NULL, holder text NOT NULL, status text NOT NULL, filler text);
    INSERT INTO account SELECT n, 1 + n % 20, (hashint4(n) & 65535), 'holder ' || md5(n::text), (ARRAY['open','open','open','frozen','closed'])[1 + n % 5],
      repeat('x', 60) FROM generate_series(1, {accounts}) n;
    CREATE TABLE history (hid bigserial PRIMARY KEY, tid int, bid int, aid int, delta int, mtime timestamptz NOT NULL, kind text NOT NULL);
    INSERT INTO history (tid, bid, aid, delta, mtime, kind)
      SELECT 1 + n % 200, 1 + n % 20, 1 + (hashint4(n) & 1048575) % {accounts}, (hashint4(n) & 1023) - 512, timestamptz '2026-01-01' + n * interval '20 s',
        (ARRAY['deposit','withdrawal','transfer','fee'])[1 + n % 4] FROM generate_series(1, {int(400_000 * scale)}) n;
    """


def _mixed_queries(random: Random, scale: float) -> list[Query]:
    accounts = int(200_000 * scale)
    found: list[Query] = []
    for _ in range(4):
        aid, delta = random.randint(1, accounts), random.randint(-500, 500)
        for _ in range(5):
            one = random.randint(1, accounts)
            found += [
                ("UPDATE account SET balance = balance + %s WHERE aid = %s", (delta, one)),
                ("SELECT balance FROM account WHERE aid = %s", (one,)),
                ("UPDATE teller SET balance = balance + %s WHERE tid = %s", (delta, random.randint(1, 200))),
                (
                    "INSERT INTO history (tid, bid, aid, delta, mtime, kind) VALUES (%s, %s, %s, %s, now(), %s)",
                    (random.randint(1, 200), random.randint(1, 20), one, delta, "deposit"),
                ),
            ]
        found += [
            ("SELECT * FROM history WHERE aid = %s ORDER BY mtime DESC LIMIT 20", (aid,)),
            (
                "SELECT sum(delta) FROM history WHERE bid = %s AND mtime >= %s AND mtime < %s",
                (random.randint(1, 20), "2026-02-01", f"2026-02-{random.randint(2, 9):02d}"),
            ),
            ("SELECT aid, balance FROM account WHERE bid = %s ORDER BY balance DESC LIMIT 10", (random.randint(1, 20),)),
            ("SELECT count(*) FROM account WHERE status = %s AND bid = %s", ("frozen", random.randint(1, 20))),
            ("SELECT aid FROM account WHERE holder = %s", (f"holder {random.randint(1, 9)}",)),
            ("SELECT kind, count(*) FROM history WHERE tid = %s GROUP BY kind", (random.randint(1, 200),)),
            ("DELETE FROM history WHERE aid = %s AND delta = %s", (aid, 1000)),
        ]
    return found


WIDE_TABLES = 8


def _wide(scale: float) -> str:
    rows = int(60_000 * scale)
    parts = []
    for number in range(1, WIDE_TABLES + 1):
        columns = ", ".join(f"a{n} int NOT NULL" for n in range(1, 13))
        values = ", ".join(
            f"(hashint4(n * {n} + {number}) & 1048575) % {(5, 20, 100, 1000, 5000, rows)[n % 6]}" for n in range(1, 13)
        )
        parts.append(
            f"CREATE TABLE part_{number} (id int PRIMARY KEY, parent_id int, code text NOT NULL, made timestamp NOT NULL, {columns});"
            f"INSERT INTO part_{number} SELECT n, 1 + (hashint4(n + {number}) & 1048575) % {rows}, 'c' || (n * {number}) % 9000,"
            f" timestamp '2025-01-01' + n * interval '7 minutes', {values} FROM generate_series(1, {rows}) n;"
        )
    return "\n".join(parts)


def _wide_queries(random: Random, scale: float) -> list[Query]:
    rows = int(60_000 * scale)
    found: list[Query] = []
    for _ in range(4):
        found += [
            (
                "SELECT a.id, b.code, c.code, d.code FROM part_1 a JOIN part_2 b ON b.parent_id = a.id JOIN part_3 c ON c.parent_id = b.id"
                " JOIN part_4 d ON d.parent_id = c.id WHERE a.code = %s",
                (f"c{random.randint(0, 8999)}",),
            ),
            (
                "SELECT count(*) FROM part_1 a JOIN part_2 b ON b.parent_id = a.id JOIN part_5 e ON e.parent_id = b.id"
                " WHERE a.a3 = %s AND b.a2 = %s AND e.a1 = %s",
                (random.randint(0, 999), random.randint(0, 99), random.randint(0, 19)),
            ),
            (
                "SELECT a.*, f.a4, g.a5, h.a6 FROM part_1 a LEFT JOIN part_6 f ON f.parent_id = a.id LEFT JOIN part_7 g ON g.parent_id = a.id"
                " LEFT JOIN part_8 h ON h.parent_id = a.id WHERE a.id = %s",
                (random.randint(1, rows),),
            ),
            (
                "SELECT b.a1, b.a2, count(*) FROM part_2 b JOIN part_3 c ON c.parent_id = b.id WHERE b.made >= %s AND b.made < %s"
                " GROUP BY b.a1, b.a2",
                ("2025-03-01", f"2025-03-{random.randint(2, 9):02d}"),
            ),
            (
                "SELECT c.id FROM part_3 c WHERE c.a4 = %s AND c.a8 = %s ORDER BY c.made DESC LIMIT 5",
                (random.randint(0, 4999), random.randint(0, 99)),
            ),
            (
                "SELECT d.id, d.code FROM part_4 d WHERE d.a5 = %s AND EXISTS (SELECT 1 FROM part_5 e WHERE e.parent_id = d.id AND e.a2 > %s)",
                (random.randint(0, rows), 50),
            ),
            (
                "SELECT x.code, y.n FROM part_6 x JOIN (SELECT parent_id, count(*) AS n FROM part_7 WHERE a3 = %s GROUP BY parent_id) y"
                " ON y.parent_id = x.id ORDER BY y.n DESC, x.code LIMIT 20",
                (random.randint(0, 999),),
            ),
            ("SELECT * FROM part_8 WHERE a9 = %s AND a10 = %s", (random.randint(0, 999), random.randint(0, 4999))),
            ("SELECT max(made) FROM part_5 WHERE a11 = %s", (random.randint(0, rows),)),
        ]
    return found


SHAPES = (
    Shape("star", _star, _star_queries),
    Shape("read_write", _mixed, _mixed_queries),
    Shape("many_joins", _wide, _wide_queries),
)
