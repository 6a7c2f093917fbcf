"""Arithmetic of memory before a restart, and the way back after one that failed."""

import json
from pathlib import Path

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.postgres.proving_ground import _fatal_line
from pgkeel.postgres.settings import Setting
from pgkeel.postgres.settings_files import keep, last_started, put_back, replace
from pgkeel.postgres.settings_plan import effective, make_plan
from pgkeel.postgres.settings_server import FileEntry, Server, server_from_document, waiting
from pgkeel.postgres.startup_proof import (
    _for_another_folder,
    _refuse_huge_pages,
    insists_on_huge_pages,
    read_memory,
    refuse_library_settings,
    refuse_too_much_memory,
)

GIB = 1024**3
BUFFERS = Setting("shared_buffers", "16384", "8kB", "integer", "postmaster", "16", "1073741823", default="16384")
WORK_MEM = Setting("work_mem", "4096", "kB", "integer", "user", "64", "2147483647", default="4096")
RESTART, RELOAD = Path("/c/conf.d/10-pgkeel-restart.conf"), Path("/c/conf.d/20-pgkeel-reload.conf")
NEW_SERVER = Path(__file__).parents[3] / "roles" / "postgresql" / "files" / "new_server.json"


def server(*entries, **settings):
    known = {"shared_buffers": BUFFERS, "work_mem": WORK_MEM} | settings
    return Server(known, [FileEntry(*entry) for entry in entries])


@pytest.mark.parametrize(("value", "refused"), [("1GB", False), ("3GB", False), ("3300MB", True), ("4GB", True), ("7TB", True)])
def test_shared_buffers_must_leave_memory_for_the_rest(value, refused):
    memory = {"MemTotal": 4 * GIB}
    if not refused:
        refuse_too_much_memory(server(), {"shared_buffers": value}, memory)
        return
    with pytest.raises(PgkeelError, match="this machine has 4096 MB"):
        refuse_too_much_memory(server(), {"shared_buffers": value}, memory)


def test_shared_buffers_that_cannot_be_read_are_named():
    with pytest.raises(PgkeelError, match=r"shared_buffers = '1G': the units are"):
        refuse_too_much_memory(server(), {"shared_buffers": "1G"}, {"MemTotal": 4 * GIB})


def test_huge_pages_that_production_holds_are_its_own():
    held = {
        "huge_pages_status": Setting("huge_pages_status", "on", "", "enum", "internal"),
        "shared_memory_size_in_huge_pages": Setting("shared_memory_size_in_huge_pages", "70", "", "integer", "internal"),
    }
    memory = {"HugePages_Free": 20, "HugePages_Rsvd": 10}
    _refuse_huge_pages(server(**held), 80, memory)
    with pytest.raises(PgkeelError, match="needs 81 huge pages, and 80 are to be had"):
        _refuse_huge_pages(server(**held), 81, memory)
    with pytest.raises(PgkeelError, match=r"vm\.nr_hugepages to at least 80"):
        _refuse_huge_pages(server(), 80, memory)


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"pg_stat_statements.trak": "all"}, "no setting 'pg_stat_statements.trak'.*Did you mean pg_stat_statements.track"),
        ({"pg_stat_statements.track": "everything"}, "pg_stat_statements.track cannot be 'everything'"),
        ({"pg_stat_statements.track": "all", "app.tenant": "x", "shared_buffers": "1GB"}, ""),
    ],
)
def test_a_library_that_is_loaded_first_takes_its_settings(declared, reason):
    track = Setting("pg_stat_statements.track", "top", "", "enum", "superuser", choices=("none", "top", "all"))
    trak = Setting("pg_stat_statements.trak", "all", "", "string", "user", placeholder=True)
    loaded = server(**{setting.name: setting for setting in (track, trak)})
    if not reason:
        refuse_library_settings(loaded, declared)
        return
    with pytest.raises(PgkeelError, match=reason):
        refuse_library_settings(loaded, declared)


@pytest.mark.parametrize(
    ("value", "insists"), [("on", True), ("TRUE", True), ("yes", True), ("1", True), ("try", False), ("off", False)]
)
def test_huge_pages_are_insisted_on_in_any_spelling(value, insists):
    assert insists_on_huge_pages({"huge_pages": value}) is insists
    assert insists_on_huge_pages({}) is False


def test_memory_is_read_in_bytes(tmp_path):
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:       2048 kB\nHugePages_Free:        7\n")
    assert read_memory(file) == {"MemTotal": 2 * 1024**2, "HugePages_Free": 7}


def test_all_files_count_and_the_last_word_wins():
    main, auto = "/c/postgresql.conf", "/d/postgresql.auto.conf"
    old = server(("shared_buffers", "128MB", main, 1), ("wal_level", "replica", main, 2), ("work_mem", "9MB", auto, 1))
    plan = make_plan(old, {"shared_buffers": "1GB", "work_mem": "16MB"}, [], RESTART, RELOAD)
    assert effective(old, plan, RESTART, RELOAD) == {"shared_buffers": "1GB", "wal_level": "replica", "work_mem": "9MB"}


def test_our_own_line_of_before_does_not_count():
    old = server(("shared_buffers", "512MB", str(RESTART), 1))
    plan = make_plan(old, {}, [], RESTART, RELOAD)
    assert effective(old, plan, RESTART, RELOAD) == {}


def test_the_throwaway_cluster_has_folders_of_its_own_and_production_s_certificate():
    known = server(data_directory=Setting("data_directory", "/d/17", "", "string", "postmaster"))
    settings = {"data_directory": "/d/17", "hba_file": "/c/hba", "ssl_cert_file": "server.pem", "ssl_key_file": "/k.pem"}
    assert _for_another_folder(known, settings) == {"ssl_cert_file": "/d/17/server.pem", "ssl_key_file": "/k.pem"}


def test_a_setting_waits_until_the_server_is_started_with_it():
    ours = ("shared_buffers", "1GB", str(RESTART), 3)
    assert waiting(server(ours), [RESTART, RELOAD]) is True
    started = Setting("shared_buffers", "131072", "8kB", "integer", "postmaster", "16", "1073741823")
    assert waiting(server(ours, shared_buffers=started), [RESTART, RELOAD]) is False
    assert waiting(server(("shared_buffers", "1GB", "/c/other.conf", 1)), [RESTART, RELOAD]) is False
    assert waiting(server(ours, ("shared_buffers", "128MB", "/d/postgresql.auto.conf", 1)), [RESTART, RELOAD]) is False


def test_what_was_kept_comes_back_and_what_was_not_there_goes(tmp_path):
    old, new = tmp_path / "10.conf", tmp_path / "20.conf"
    replace(old, "a = 1\n")
    keep([old, new])
    replace(old, "a = 2\n")
    replace(new, "b = 2\n")
    assert put_back([old, new], check=True) == [old, new]
    assert old.read_text() == "a = 2\n"
    assert put_back([old, new]) == [old, new]
    assert old.read_text() == "a = 1\n"
    assert not new.exists()
    assert put_back([old, new]) == []


def test_nothing_kept_is_said(tmp_path):
    with pytest.raises(PgkeelError, match="previous settings are not known"):
        put_back([tmp_path / "10.conf"])


def test_postgresql_does_not_read_what_is_kept():
    assert last_started(RESTART).suffix != ".conf"


def test_a_start_dies_of_its_fatal_line_and_not_of_its_last():
    log = "LOG:  starting\nFATAL:  could not map anonymous shared memory\nHINT:  less\nLOG:  database system is shut down"
    assert _fatal_line(log) == "FATAL:  could not map anonymous shared memory"


def test_a_new_server_is_known_well_enough_to_plan():
    new = server_from_document(json.loads(NEW_SERVER.read_text()))
    plan = make_plan(
        new,
        {"work_mem": "16MB", "max_connections": 100, "pg_stat_statements.max": 10000},
        ["pg_stat_statements"],
        RESTART,
        RELOAD,
    )
    assert plan.needing("restart") == ["pg_stat_statements.max", "shared_preload_libraries"]
    assert plan.needing("reload") == ["work_mem"]
    with pytest.raises(PgkeelError, match="Did you mean work_mem"):
        make_plan(new, {"work_men": "16MB"}, [], RESTART, RELOAD)


@pytest.mark.parametrize(
    "document", [{}, {"settings": [{"name": "x"}], "entries": []}, {"settings": [], "entries": [{"colour": 1}]}]
)
def test_what_is_no_description_is_refused(document):
    with pytest.raises(PgkeelError, match="cannot be read"):
        server_from_document(document)
