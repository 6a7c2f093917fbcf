"""Which indexes may go, and which never."""

from dataclasses import replace

import pytest
from pgkeel.advisor.drop_advice import Node, Standbys, advise_drops
from pgkeel.advisor.model import Kind
from pgkeel.postgres.catalog import Index

MEGABYTE = 1024**2
PLAIN = Index(
    schema="public",
    table="Log",
    name="idle",
    method="btree",
    keys=("a",),
    signature=("a 1 0 0",),
    include=(),
    predicate="",
    unique=False,
    primary=False,
    constraint=False,
    replica_identity=False,
    supports_foreign_key=False,
    valid=True,
    ready=True,
    being_built=False,
    partition=False,
    definition='CREATE INDEX idle ON public."Log" USING btree (a)',
    size_bytes=20 * MEGABYTE,
    scans=0,
    table_scans=10**6,
)
READ = replace(PLAIN, scans=9, idle_days=0.1)
GUARDED = {
    "unique": {"unique": True},
    "primary": {"unique": True, "primary": True, "constraint": True},
    "exclusion": {"constraint": True},
    "replica identity": {"replica_identity": True},
    "foreign key": {"supports_foreign_key": True},
    "clustered": {"clustered": True},
    "partition": {"partition": True},
    "partitioned parent": {"size_bytes": 0},
    "invalid": {"valid": False},
    "being built": {"being_built": True},
}


def advise(*indexes, days=40.0, standbys=None, ages=None, **more):
    known = {(index.schema, index.name): 400.0 for index in indexes} if ages is None else ages
    return advise_drops(Node("db1", indexes, days), standbys or Standbys(), ages=known, **more)


def subjects(drops):
    return [one.subject for one in drops.recommendations]


def longer(**changes):
    return replace(READ, name="longer", keys=("a", "b"), signature=("a 1 0 0", "b 1 0 0"), **changes)


def test_an_unread_index_is_advised_with_the_way_back():
    (one,) = advise(PLAIN).recommendations
    assert one.kind is Kind.DROP_INDEX
    assert one.ddl == 'DROP INDEX CONCURRENTLY "public"."idle";'
    assert one.undo == 'CREATE INDEX CONCURRENTLY idle ON public."Log" USING btree (a);'
    assert (one.bytes, one.metadata["unused_days"]) == (-20 * MEGABYTE, 40.0)
    assert (one.metadata["made_by"], one.metadata["automatic"]) == ("person", False)
    assert "A person or a migration made it" in one.reason


def test_only_what_the_architect_built_goes_without_a_word():
    name = frozenset({("public", "idle")})
    assert advise(PLAIN, ours=name).recommendations[0].metadata["automatic"] is True
    (declared,) = advise(PLAIN, declared=name).recommendations
    assert declared.metadata["automatic"] is False
    assert "take it out of the inventory" in declared.reason


@pytest.mark.parametrize("what", GUARDED)
def test_what_has_a_duty_stays_unread_or_not(what):
    guarded = replace(PLAIN, **GUARDED[what])
    assert subjects(advise(guarded)) == []
    # Beside the same one made by somebody else, it is not the one that goes, and not a beginning that goes.
    assert '"public"."idle"' not in subjects(advise(guarded, longer()))


@pytest.mark.parametrize(
    "changes", [{"scans": 5, "idle_days": 34.0}, {"size_bytes": MEGABYTE - 1}, {"scans": 5, "idle_days": None}]
)
def test_what_is_read_or_small_stays(changes):
    assert advise(replace(PLAIN, **changes)) == advise()


def test_read_once_but_not_for_long_is_unread():
    (one,) = advise(replace(PLAIN, scans=5, idle_days=36.0), days=300.0).recommendations
    assert one.metadata["unused_days"] == 36.0


def test_young_statistics_and_silent_standbys_are_no_verdict():
    young = advise(PLAIN, days=34.9)
    assert subjects(young) == []
    assert "cover 34.9 days" in young.unverified[0]
    silent = advise(PLAIN, standbys=Standbys(existing=2, asked=(Node("db2", (PLAIN,), 40.0),)))
    assert subjects(silent) == []
    assert "1 standby(s) may read them" in silent.unverified[0]
    fresh = advise(PLAIN, standbys=Standbys(existing=1, asked=(Node("db2", (PLAIN,), 3.0),)))
    assert "statistics of db2 cover 3.0 days" in fresh.unverified[0]


def test_an_index_that_may_be_young_is_no_verdict():
    # A rolling index that was swapped yesterday has no scan, however old the statistics are.
    for ages in ({}, {("public", "idle"): 34.9}, {("other", "idle"): 99.0}):
        young = advise(PLAIN, days=300.0, ages=ages)
        assert subjects(young) == []
        assert "Whether 1 index(es) without a read may go: they were first seen less than 35 days" in young.unverified[0]
    (one,) = advise(PLAIN, days=300.0, ages={("public", "idle"): 36.0}).recommendations
    assert one.metadata["unused_days"] == 36.0
    # The day of its last read tells that it was there.
    assert subjects(advise(replace(PLAIN, scans=5, idle_days=36.0), days=300.0, ages={})) == ['"public"."idle"']


def test_a_read_on_any_standby_keeps_it():
    def on(there):
        return advise(PLAIN, standbys=Standbys(existing=1, asked=(Node("db2", (there,), 50.0),)))

    assert subjects(on(READ)) == []
    assert on(PLAIN).recommendations[0].metadata["nodes"] == ["db1", "db2"]


def test_a_copy_goes_and_the_important_one_stays():
    twin = replace(READ, name="key", unique=True, constraint=True, primary=True)
    drops = advise(READ, twin)
    assert subjects(drops) == ['"public"."idle"']
    assert drops.recommendations[0].metadata["same_as"] == "key"
    assert subjects(advise(READ, replace(READ, name="other", predicate="a > 1"))) == []
    (beginning,) = advise(READ, replace(READ, name="other", include=("c",))).recommendations
    assert "same_as" not in beginning.metadata
    assert subjects(advise(READ, replace(READ, name="other", signature=("a 2 0 0",)))) == []


def test_of_two_copies_for_a_foreign_key_one_goes():
    support = replace(READ, supports_foreign_key=True)
    assert len(advise(support, replace(support, name="same")).recommendations) == 1


def test_a_beginning_goes_and_what_covers_it_is_not_called_unused():
    assert subjects(advise(READ, longer())) == ['"public"."idle"']
    unread = longer(scans=0, idle_days=None)
    assert subjects(advise(PLAIN, unread)) == ['"public"."idle"']
    assert subjects(advise(READ, longer(predicate="b > 1"))) == []
    assert subjects(advise(replace(READ, include=("c",)), longer())) == []


def test_the_same_keys_without_what_another_one_includes_are_its_beginning():
    covering = replace(READ, name="covering", include=("c", "b"))
    assert subjects(advise(READ, covering)) == ['"public"."idle"']
    assert subjects(advise(replace(READ, include=("b",)), covering)) == ['"public"."idle"']
    # What is included may be a key of the longer one.
    assert subjects(advise(replace(READ, include=("b",)), longer())) == ['"public"."idle"']
    assert subjects(advise(replace(READ, include=("d",)), covering)) == []
    assert subjects(advise(replace(READ, include=("c", "b")), replace(covering, include=("b", "c")))) == []
    assert subjects(advise(READ, replace(covering, predicate="b > 1"))) == []
    assert subjects(advise(replace(READ, unique=True), covering)) == []
