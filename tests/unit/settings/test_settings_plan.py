"""What a plan predicts from what a server says of itself."""

from pathlib import Path

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.postgres.settings import Setting
from pgkeel.postgres.settings_plan import make_plan
from pgkeel.postgres.settings_server import FileEntry, Server, waiting

CONF = "/etc/pg/conf.d"
RESTART, RELOAD = Path(CONF, "10-pgkeel-restart.conf"), Path(CONF, "20-pgkeel-reload.conf")
MAIN, AUTO, OPERATOR = "/etc/pg/postgresql.conf", "/var/pg/postgresql.auto.conf", f"{CONF}/90-operator.conf"

# A value that the running server got from one of our files.
OURS = Setting("work_mem", "16384", "kB", "integer", "user", "64", "2147483647", default="4096", source_file=str(RELOAD))


def a_server(tmp_path, *, entries=(), libraries="", **values):
    """A server with a few settings; `values` replaces whole settings."""
    for name in ("pg_stat_statements", "auto_explain", "pg_cron"):
        (tmp_path / f"{name}.so").touch()
    settings = {
        "work_mem": Setting("work_mem", "4096", "kB", "integer", "user", "64", "2147483647", default="4096"),
        "shared_buffers": Setting("shared_buffers", "16384", "8kB", "integer", "postmaster", "16", "1073741823", default="16384"),
        "shared_preload_libraries": Setting("shared_preload_libraries", libraries, "", "string", "postmaster"),
        "statement_timeout": Setting("statement_timeout", "0", "ms", "integer", "user", "0", "2147483647", default="0"),
        "TimeZone": Setting("TimeZone", "Etc/UTC", "", "string", "user"),
    }
    settings.update(values)
    return Server(
        {name.lower(): setting for name, setting in settings.items()}, [FileEntry(*entry) for entry in entries], str(tmp_path)
    )


def plan(server, settings=None, preload=()):
    return make_plan(server, settings or {}, preload, RESTART, RELOAD)


def test_settings_are_sorted_by_what_they_need(tmp_path):
    result = plan(a_server(tmp_path), {"work_mem": "16MB", "shared_buffers": "1GB"})
    assert result.reload_file == {"work_mem": "16MB"}
    assert result.restart_file == {"shared_buffers": "1GB"}
    assert [change.as_dict() for change in result.changes] == [
        {"name": "shared_buffers", "old": "128MB", "new": "1GB", "needs": "restart"},
        {"name": "work_mem", "old": "4MB", "new": "16MB", "needs": "reload"},
    ]


def test_the_same_in_other_words_is_no_change(tmp_path):
    result = plan(a_server(tmp_path), {"work_mem": "4096kB", "shared_buffers": "0.125GB"})
    assert result.changes == []


def test_an_unknown_setting_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(PgkeelError, match=r"no setting 'work_men'.*work_mem"):
        plan(a_server(tmp_path), {"work_men": "16MB"})


def test_one_setting_in_two_spellings_is_refused(tmp_path):
    with pytest.raises(PgkeelError, match="twice"):
        plan(a_server(tmp_path), {"timezone": "UTC", "TimeZone": "UTC"})


@pytest.mark.parametrize("value", [["localhost", "192.0.2.1"], {"a": 1}, None])
def test_what_is_no_text_is_refused(tmp_path, value):
    with pytest.raises(PgkeelError, match=r"TimeZone is given as .*nothing was changed"):
        plan(a_server(tmp_path), {"TimeZone": value})


def test_preloading_among_the_settings_is_refused(tmp_path):
    with pytest.raises(PgkeelError, match="as a list"):
        plan(a_server(tmp_path), {"shared_preload_libraries": ""})


def test_foreign_libraries_are_kept_in_front(tmp_path):
    server = a_server(tmp_path, libraries="auto_explain", entries=[("shared_preload_libraries", "auto_explain", MAIN, 1)])
    result = plan(server, preload=["pg_stat_statements"])
    assert result.preloaded == ["auto_explain", "pg_stat_statements"]
    assert result.restart_file["shared_preload_libraries"] == "auto_explain,pg_stat_statements"
    assert result.needing("restart") == ["shared_preload_libraries"]


def test_a_library_that_is_no_longer_declared_goes(tmp_path):
    entries = [
        ("shared_preload_libraries", "auto_explain", MAIN, 1),
        ("shared_preload_libraries", "auto_explain,pg_cron", str(RESTART), 1),
    ]
    server = a_server(tmp_path, libraries="auto_explain,pg_cron", entries=entries)
    assert plan(server).preloaded == ["auto_explain"]


def test_a_library_that_is_not_installed_is_refused(tmp_path):
    with pytest.raises(PgkeelError, match=r"pg_absent is not installed.*nothing was changed"):
        plan(a_server(tmp_path), preload=["pg_absent"])


def test_a_foreign_library_that_is_not_installed_is_refused(tmp_path):
    server = a_server(tmp_path, entries=[("shared_preload_libraries", "gone", MAIN, 1)])
    with pytest.raises(PgkeelError, match="gone, which another configuration file asks for"):
        plan(server)


def test_alter_system_that_drops_a_library_is_refused(tmp_path):
    server = a_server(tmp_path, entries=[("shared_preload_libraries", "auto_explain", AUTO, 1)])
    with pytest.raises(PgkeelError, match=r"leaves out pg_stat_statements.*ALTER SYSTEM RESET"):
        plan(server, preload=["pg_stat_statements"])


def test_alter_system_with_the_same_libraries_is_fine(tmp_path):
    server = a_server(tmp_path, entries=[("shared_preload_libraries", "pg_stat_statements", AUTO, 1)])
    assert plan(server, preload=["pg_stat_statements"]).preloaded == ["pg_stat_statements"]


def test_the_settings_of_a_library_to_be_loaded_are_taken(tmp_path):
    result = plan(a_server(tmp_path), {"pg_stat_statements.max": 10000}, ["pg_stat_statements"])
    assert result.restart_file["pg_stat_statements.max"] == "10000"
    assert result.needing("restart") == ["pg_stat_statements.max", "shared_preload_libraries"]


def test_they_stay_in_that_file_when_it_is_loaded(tmp_path):
    track = Setting("pg_stat_statements.track", "top", "", "enum", "superuser", choices=("none", "top", "all"))
    server = a_server(tmp_path, libraries="pg_stat_statements", **{"pg_stat_statements.track": track})
    result = plan(server, {"pg_stat_statements.track": "all"}, ["pg_stat_statements"])
    assert "pg_stat_statements.track" in result.restart_file
    assert result.needing("reload") == ["pg_stat_statements.track"]


def test_the_settings_of_a_library_that_nobody_loads_are_refused(tmp_path):
    with pytest.raises(PgkeelError, match="Add the library pg_cron"):
        plan(a_server(tmp_path), {"cron.database_name": "x"}, ["pg_stat_statements"])


TRACK = Setting("pg_stat_statements.track", "top", "", "enum", "superuser", choices=("none", "top", "all"))


@pytest.mark.parametrize("there", [{}, {"pg_stat_statements.trak": Setting("x", "", "", "string", "user", placeholder=True)}])
def test_a_misspelt_setting_of_a_loaded_library_is_refused_with_the_nearest_name(tmp_path, there):
    server = a_server(tmp_path, libraries="pg_stat_statements", **{"pg_stat_statements.track": TRACK}, **there)
    reason = r"library pg_stat_statements has no setting 'pg_stat_statements.trak'.*Did you mean pg_stat_statements.track\."
    with pytest.raises(PgkeelError, match=reason):
        plan(server, {"pg_stat_statements.trak": "all"}, ["pg_stat_statements"])


@pytest.mark.parametrize("loaded", [True, False])
def test_a_misspelt_library_is_no_application(tmp_path, loaded):
    there = {"libraries": "pg_stat_statements", "pg_stat_statements.track": TRACK} if loaded else {}
    with pytest.raises(PgkeelError, match=r"Did you mean pg_stat_statements\.track\."):
        plan(a_server(tmp_path, **there), {"pg_stat_statments.track": "all"}, ["pg_stat_statements"])


@pytest.mark.parametrize(
    "name", ["app.tenant", "plpgsql.extra_warnings", "pg_trgm.similarity_threshold", "hnsw.ef_search", "a.b.c"]
)
def test_any_other_name_of_two_parts_is_taken_as_postgresql_takes_it(tmp_path, name):
    result = plan(a_server(tmp_path), {name: "x"})
    assert (result.reload_file, result.restart_file) == ({name: "x"}, {})
    assert [change.as_dict() for change in result.changes] == [{"name": name, "old": None, "new": "x", "needs": "reload"}]
    there = Setting(name, "x", "", "string", "user", source_file=str(RELOAD), placeholder=True)
    again = a_server(tmp_path, entries=[(name, "x", str(RELOAD), 3)], **{name: there})
    assert plan(again, {name: "x"}).changes == []
    assert [change.as_dict() for change in plan(again, {name: "y"}).changes] == [
        {"name": name, "old": "x", "new": "y", "needs": "reload"}
    ]


@pytest.mark.parametrize("name", ["app.", ".tenant", "app.1", "app-x.tenant", "app. x", "a..b"])
def test_what_postgresql_takes_for_no_name_is_refused(tmp_path, name):
    with pytest.raises(PgkeelError, match="PostgreSQL has no setting"):
        plan(a_server(tmp_path), {name: "x"})


@pytest.mark.parametrize("given", [True, False])
def test_a_library_that_sessions_load_needs_no_preloading(tmp_path, given):
    wanted = {"auto_explain.log_min_duration": "1s"}
    with pytest.raises(PgkeelError, match="Add the library auto_explain"):
        plan(a_server(tmp_path), wanted)
    name = "session_preload_libraries"
    server = a_server(tmp_path, **{name: Setting(name, "" if given else "auto_explain", "", "string", "superuser")})
    assert "auto_explain.log_min_duration" in plan(server, wanted | ({name: "auto_explain"} if given else {})).reload_file


@pytest.mark.parametrize("file", [AUTO, OPERATOR])
def test_a_later_file_is_reported_and_wins(tmp_path, file):
    result = plan(a_server(tmp_path, entries=[("work_mem", "8MB", file, 3)]), {"work_mem": "16MB"})
    assert result.shadowed == [{"name": "work_mem", "wanted": "16MB", "effective": "8MB", "file": file}]
    assert result.changes == []
    assert result.reload_file == {"work_mem": "16MB"}


def test_the_command_line_is_reported_and_wins(tmp_path):
    given = Setting("shared_buffers", "16384", "8kB", "integer", "postmaster", "16", "1073741823", source="command line")
    result = plan(a_server(tmp_path, shared_buffers=given), {"shared_buffers": "1GB"})
    assert result.shadowed == [
        {"name": "shared_buffers", "wanted": "1GB", "effective": "128MB", "file": "PostgreSQL's command line"}
    ]
    assert result.changes == []
    assert plan(a_server(tmp_path, shared_buffers=given), {"shared_buffers": "128MB"}).shadowed == []


def test_an_earlier_file_loses(tmp_path):
    result = plan(a_server(tmp_path, entries=[("work_mem", "8MB", MAIN, 3)]), {"work_mem": "16MB"})
    assert result.shadowed == []
    assert len(result.changes) == 1


def test_a_later_line_of_the_main_file_is_seen_once_ours_is_there(tmp_path):
    server = a_server(tmp_path, entries=[("work_mem", "16MB", str(RELOAD), 3), ("work_mem", "8MB", MAIN, 900)])
    assert plan(server, {"work_mem": "16MB"}).shadowed[0]["file"] == MAIN


def test_a_setting_that_is_left_out_goes_back(tmp_path):
    result = plan(a_server(tmp_path, work_mem=OURS))
    assert [change.as_dict() for change in result.changes] == [
        {"name": "work_mem", "old": "16MB", "new": "4MB", "needs": "reload"}
    ]


def test_it_goes_back_to_what_another_file_says(tmp_path):
    result = plan(a_server(tmp_path, work_mem=OURS, entries=[("work_mem", "8MB", MAIN, 1), ("work_mem", "16MB", str(RELOAD), 3)]))
    assert result.changes[0].new == "8MB"


def test_a_session_setting_does_not_hide_the_server_s(tmp_path):
    mine = Setting("statement_timeout", "5000", "ms", "integer", "user", "0", "2147483647", default="0", source="user")
    server = a_server(tmp_path, statement_timeout=mine, entries=[("statement_timeout", "60s", str(RELOAD), 3)])
    assert plan(server, {"statement_timeout": "1min"}).changes == []


KEEPALIVE = Setting("tcp_keepalives_idle", "0", "s", "integer", "user", "0", "2147483647", default="0", source_file=str(RELOAD))
ARCHIVE = Setting("archive_command", "(disabled)", "", "string", "sighup", source_file=str(RELOAD))


@pytest.mark.parametrize(
    ("setting", "value"), [(KEEPALIVE, "1min"), (ARCHIVE, "archive %p")], ids=["of another socket", "until it archives"]
)
def test_what_postgresql_does_not_show_is_in_the_files(tmp_path, setting, value):
    name = setting.name
    server = a_server(tmp_path, **{name: setting}, entries=[(name, value.replace("1min", "60"), str(RELOAD), 3)])
    assert plan(server, {name: value}).changes == []
    assert [change.name for change in plan(server, {name: "7"}).changes] == [name]
    assert [change.new for change in plan(server).changes] == [setting.default], "left out, it goes back"
    assert plan(a_server(tmp_path, **{name: setting}), {name: value}).changes[0].old == setting.default


@pytest.mark.parametrize(("source", "names"), [("override", []), ("default", []), ("configuration file", ["wal_buffers"])])
def test_a_number_that_postgresql_reckons_is_as_declared(tmp_path, source, names):
    buffers = Setting("wal_buffers", "512", "8kB", "integer", "postmaster", "-1", "262143", default="-1", source=source)
    server = a_server(tmp_path, wal_buffers=buffers, entries=[("wal_buffers", "-1", str(RESTART), 3)])
    assert plan(server, {"wal_buffers": -1}).needing("restart") == names
    assert waiting(server, [RESTART, RELOAD]) is bool(names)


@pytest.mark.parametrize(
    ("wanted", "proved"),
    [
        ({"work_mem": "16MB"}, False),
        ({"shared_buffers": "1GB"}, True),
        ({"ssl_key_file": "/k.pem"}, True),
        ({"ssl": True}, True),
        ({"ssl": False, "ssl_key_file": "server.key"}, False),
    ],
)
def test_what_the_next_start_could_fail_of_is_proved(tmp_path, wanted, proved):
    tls = {
        "ssl": Setting("ssl", "off", "", "bool", "sighup"),
        "ssl_key_file": Setting("ssl_key_file", "server.key", "", "string", "sighup", default="server.key"),
    }
    assert plan(a_server(tmp_path, **tls), wanted).to_be_proved() is proved


def test_a_broken_line_of_another_file_is_refused(tmp_path):
    server = a_server(tmp_path, entries=[("", "", MAIN, 7, "syntax error")])
    with pytest.raises(PgkeelError, match=r"syntax error in /etc/pg/postgresql\.conf, line 7"):
        plan(server)


def test_waiting_for_a_restart_is_no_broken_line(tmp_path):
    server = a_server(tmp_path, entries=[("shared_buffers", "1GB", MAIN, 7, "setting could not be applied")])
    assert plan(server).changes == []


@pytest.mark.parametrize("value", ["1G", "64", "plenty"])
@pytest.mark.parametrize("file", [MAIN, AUTO, OPERATOR])
def test_a_bad_value_that_needs_a_restart_is_a_broken_line(tmp_path, value, file):
    buffers = Setting("shared_buffers", "16384", "8kB", "integer", "postmaster", "128", "1073741823", default="16384")
    entries = [("shared_buffers", value, file, 7, "setting could not be applied")]
    with pytest.raises(PgkeelError, match=r"could not be applied.*line 7"):
        plan(a_server(tmp_path, shared_buffers=buffers, entries=entries), {"work_mem": "16MB"})


@pytest.mark.parametrize(("name", "value"), [("wal_level", "hot_standby"), ("wal_level", "Logical"), ("hot_standby", "tr")])
def test_a_rare_spelling_waits_for_a_restart_all_the_same(tmp_path, name, value):
    known = {
        "wal_level": Setting("wal_level", "minimal", "", "enum", "postmaster", choices=("minimal", "replica", "logical")),
        "hot_standby": Setting("hot_standby", "off", "", "bool", "postmaster"),
    }
    assert plan(a_server(tmp_path, **known, entries=[(name, value, MAIN, 7, "setting could not be applied")])).changes == []


def test_a_value_that_postgresql_will_not_take_is_a_broken_line(tmp_path):
    server = a_server(tmp_path, entries=[("timezone", "Mars/Phobos", MAIN, 7, "setting could not be applied")])
    with pytest.raises(PgkeelError, match="line 7"):
        plan(server)


def test_a_setting_that_is_gone_and_needs_a_restart_is_no_broken_line(tmp_path):
    remark = 'parameter "shared_buffers" cannot be changed without restarting the server'
    assert plan(a_server(tmp_path, entries=[("", "", "", 0, remark)])).changes == []
