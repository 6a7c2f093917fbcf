"""What a value means to PostgreSQL, and when two mean the same."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.postgres.settings import (
    BYTES,
    MILLISECONDS,
    Setting,
    canonical,
    check,
    parse_libraries,
    readable,
    render_libraries,
    same,
    text_of,
)
from pgkeel.postgres.settings_files import quote, render

WORK_MEM = Setting("work_mem", "4096", "kB", "integer", "user", "64", "2147483647")
BUFFERS = Setting("shared_buffers", "16384", "8kB", "integer", "postmaster", "16", "1073741823")
TIMEOUT = Setting("statement_timeout", "0", "ms", "integer", "user", "0", "2147483647")
MODE = Setting("log_file_mode", "0600", "", "integer", "sighup", "0", "511", default="384")
COST = Setting("random_page_cost", "4", "", "real", "user", "0", "1.79769e+308")
SWITCH = Setting("log_lock_waits", "off", "", "bool", "superuser")
LEVEL = Setting("wal_level", "replica", "", "enum", "postmaster", choices=("minimal", "replica", "logical"))
COMPRESSION = Setting("wal_compression", "off", "", "enum", "superuser", choices=("pglz", "lz4", "zstd", "on", "off"))
VERBOSITY = Setting("log_min_messages", "warning", "", "enum", "superuser", choices=("debug2", "debug1", "warning", "panic"))
DATES = Setting("DateStyle", "ISO, MDY", "", "string", "user")
PREFIX = Setting("log_line_prefix", "%m ", "", "string", "sighup")


@pytest.mark.parametrize(
    ("setting", "one", "other"),
    [
        (WORK_MEM, "4MB", "4096kB"),
        (WORK_MEM, "4 MB", "4096"),
        (WORK_MEM, "0x1000", "4MB"),
        (WORK_MEM, "0.5GB", "512MB"),
        (BUFFERS, "128MB", "16384"),
        (TIMEOUT, "60s", "1min"),
        (TIMEOUT, "1h", "3600000"),
        (TIMEOUT, "1d", "24h"),
        (BUFFERS, "1.3GB", "170368"),  # 1331 MB, not 1331.2
        (BUFFERS, "5.6GB", "5734MB"),
        (TIMEOUT, "0.3d", "7h"),
        (WORK_MEM, "1.5MB", "1536"),
        (MODE, "0640", "416"),
        (MODE, "0640", "0x1a0"),
        (MODE, "0", "00"),
        (COST, "010", "10"),  # only whole numbers are octal
        (COST, "1.10", "1.1"),
        (COST, "4", "4.0"),
        (SWITCH, "YES", "on"),
        (SWITCH, "0", "off"),
        (LEVEL, "Replica", "replica"),
        (COMPRESSION, "true", "on"),
        (COMPRESSION, "on", "pglz"),  # and shown as pglz
        (VERBOSITY, "debug", "debug2"),
        (COST, "1.12345678", "1.12346"),  # as it is shown
        (Setting("TimeZone", "Europe/Berlin", "", "string", "user"), "europe/berlin", "Europe/Berlin"),
        (DATES, "ISO,MDY", "iso, mdy"),
        (DATES, "iso", "ISO, MDY"),
        (DATES, "European, SQL", "SQL, DMY"),
        (DATES, "german", "German, DMY"),
    ],
)
def test_equal_values_in_different_words(setting, one, other):
    assert same(setting, one, other)
    assert check(setting, one) == check(setting, other)


@pytest.mark.parametrize(
    ("setting", "one", "other"),
    [
        (WORK_MEM, "4MB", "4GB"),
        (WORK_MEM, "4", "4MB"),
        (TIMEOUT, "60", "60s"),
        (SWITCH, "on", "off"),
        (PREFIX, "%m", "%m "),
        (PREFIX, "A", "a"),
        (DATES, "iso, ymd", "iso"),
        (Setting("unix_socket_directories", "", "", "string", "postmaster"), "/run/A", "/run/a"),
    ],
)
def test_different_values(setting, one, other):
    assert not same(setting, one, other)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        (WORK_MEM, "4mb", "units are B, kB, MB, GB, TB"),
        (WORK_MEM, "10s", "units are"),
        (WORK_MEM, "plenty", "not a number"),
        (WORK_MEM, "", "not a number"),
        (WORK_MEM, "1kB", "between 64 and"),
        (WORK_MEM, "-1", "between"),
        (WORK_MEM, "9TB", "between"),
        (TIMEOUT, "-1", "between 0"),
        (COST, "1MB", "takes no unit"),
        (Setting("log_statement_sample_rate", "1", "", "real", "superuser", "0", "1"), "1.0000001", "between 0 and 1"),
        (MODE, "0680", "not an octal number"),
        (MODE, "0640kB", "takes no unit"),
        (SWITCH, "perhaps", "not on or off"),
        (SWITCH, "o", "not on or off"),
        (SWITCH, "", "not on or off"),
        (LEVEL, "hot", "minimal, replica, logical"),
        (LEVEL, "on", "minimal, replica, logical"),
        (PREFIX, "a\nb", "line break"),
        (Setting("block_size", "8192", "", "integer", "internal"), "4096", "cannot be set"),
    ],
)
def test_refused_with_a_reason(setting, value, reason):
    with pytest.raises(PgkeelError, match=reason):
        check(setting, value)


def test_yaml_booleans_are_written_as_postgresql_writes_them():
    assert [text_of(value) for value in (True, False, 3, 1.5, "x")] == ["on", "off", "3", "1.5", "x"]


@given(st.integers(64, 2147483647))
def test_a_number_with_its_unit_means_what_it_meant(amount):
    assert canonical(WORK_MEM, readable(WORK_MEM, str(amount))) == str(amount)


@given(st.integers(16, 1073741823))
def test_a_number_of_blocks_with_its_unit_means_what_it_meant(amount):
    assert canonical(BUFFERS, readable(BUFFERS, str(amount))) == str(amount)


@given(st.integers(0, 2**20), st.sampled_from(list(BYTES)))
def test_every_unit_of_memory_is_the_same_as_its_bytes(amount, unit):
    setting = Setting("x", "0", "B", "integer", "user")
    assert canonical(setting, f"{amount}{unit}") == str(int(amount * BYTES[unit]))


@given(st.integers(0, 2**20), st.sampled_from([unit for unit in MILLISECONDS if unit != "us"]))
def test_every_unit_of_time_is_the_same_as_its_milliseconds(amount, unit):
    assert canonical(TIMEOUT, f"{amount}{unit}") == str(int(amount * MILLISECONDS[unit]))


def test_readable_keeps_special_numbers():
    assert readable(TIMEOUT, "0") == "0"
    assert readable(Setting("x", "", "kB", "integer", "user"), "-1") == "-1"
    assert readable(BUFFERS, "16384") == "128MB"
    assert readable(COST, "1.1") == "1.1"


NAMES = st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1), unique=True)


@given(NAMES)
def test_libraries_survive_writing_and_reading(names):
    assert parse_libraries(render_libraries(names)) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ('""', []),
        ("a, b,a", ["a", "b"]),
        ('"$libdir/x" , y', ["$libdir/x", "y"]),
        ('a,"",b', ["a", "b"]),
    ],
)
def test_libraries_are_read_as_postgresql_reads_them(text, names):
    assert parse_libraries(text) == names


def unquote(text: str) -> str:
    """What PostgreSQL's lexer makes of a quoted value."""
    assert text[0] == text[-1] == "'"
    escapes = {"n": "\n", "t": "\t", "b": "\b", "f": "\f", "r": "\r"}
    return re.sub(r"''|\\(.)", lambda match: escapes.get(match[1], match[1]) if match[1] else "'", text[1:-1])


@given(st.text(st.characters(exclude_characters="\n\r\x00", codec="utf-8")))
@example("\\n")
@example("it's")
def test_a_quoted_value_reads_back(value):
    assert unquote(quote(value)) == value
    assert quote(value)[1:-1].replace("''", "").count("'") == 0


def test_files_do_not_depend_on_the_order_of_settings():
    assert render({"b": "2", "a": "1"}, "x") == render({"a": "1", "b": "2"}, "x")
