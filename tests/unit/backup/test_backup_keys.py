"""Keys: one folder a run, and no name leads out of its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.backup.keys import RUN_ID, Shelf, new_run_id
from pgkeel.errors import PgkeelError


@given(st.text(min_size=1, max_size=63), st.text(min_size=1, max_size=63))
def test_databases_never_share_a_folder_or_leave_theirs(one: str, other: str) -> None:
    folder = Shelf("p", "s", one).folder
    assert re.fullmatch(r"p/s/[^/.][^/]*/", folder)
    assert (folder == Shelf("p", "s", other).folder) == (one == other)


@pytest.mark.parametrize("database", [".", "..", "../x", "a/b"])
def test_dots_and_slashes_are_encoded(database: str) -> None:
    assert "/../" not in Shelf("p", "s", database).folder
    assert Shelf("p", "s", database).folder.count("/") == 3


@pytest.mark.parametrize(("prefix", "server"), [("", "s"), ("p", ""), ("../p", "s"), ("p", "a/b"), ("p/", "s"), ("p", ".x")])
def test_other_names_are_refused(prefix: str, server: str) -> None:
    with pytest.raises(PgkeelError):
        Shelf(prefix, server, "db")


def test_only_a_manifest_one_level_down_counts() -> None:
    shelf = Shelf("p/q", "s", "db")
    assert shelf.run_of_manifest("p/q/s/db/RUN/manifest.json") == "RUN"
    for key in ("p/q/s/db/RUN/dump.pgc", "p/q/s/db/manifest.json", "p/q/s/db/RUN/x/manifest.json", "p/q/s/db2/RUN/manifest.json"):
        assert shelf.run_of_manifest(key) is None


def test_run_ids_differ_within_a_second() -> None:
    time = datetime(2026, 3, 1, 3, tzinfo=UTC)
    ids = {new_run_id(time) for _ in range(100)}
    assert len(ids) == 100
    assert all(RUN_ID.fullmatch(run_id) for run_id in ids)
