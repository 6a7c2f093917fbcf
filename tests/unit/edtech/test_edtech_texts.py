"""Times, texts and identifiers, against Python's own."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pgkeel.edtech.copytext import DAY, escape, jsonb, milliseconds, stamp
from pgkeel.edtech.identifiers import BLOCK, identifier
from pgkeel.edtech.schooldays import LAST_START, daily_quotas, start_weights

YEAR_2100 = milliseconds(date(2100, 1, 1))
moments = st.integers(0, YEAR_2100)


@given(moments)
def test_a_time_is_written_as_python_writes_it(moment):
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)
    assert stamp(moment) == when.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment % 1000:03d}"


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)))
def test_milliseconds_are_those_of_midnight(day):
    assert stamp(milliseconds(day)) == f"{day.isoformat()} 00:00:00.000"
    assert milliseconds(day) % DAY == 0


@given(st.text())
def test_escaped_text_stays_within_its_column(text):
    written = escape(text)
    assert not set(written) & {"\t", "\n", "\r"}
    assert written.replace(r"\\", "").count("\\") == sum(text.count(control) for control in "\t\n\r")


@given(st.dictionaries(st.text(), st.integers() | st.none() | st.text()))
def test_json_survives_escaping(value):
    assert json.loads(jsonb(value).replace("\\\\", "\\")) == value


@given(
    st.lists(
        st.tuples(st.integers(0, 36**8 - 1), st.integers(0, BLOCK**2 - 1), st.integers(0, 99)), unique_by=lambda item: item[1]
    )
)
def test_identifiers_differ_when_their_numbers_do_and_sort_by_time(items):
    made = [identifier(*item) for item in items]
    assert len(set(made)) == len(made)
    assert all(len(key) == 25 for key in made)
    by_time = sorted(items)
    times = [item[0] for item in by_time]
    if len(set(times)) == len(times):
        assert sorted(made) == [identifier(*item) for item in by_time]


def test_an_identifier_holds_its_whole_number_so_that_noise_cannot_make_two_equal():
    assert [identifier(0, number, 7)[9:15] for number in (0, 35, BLOCK - 1, BLOCK, BLOCK**2 - 1)] == [
        "000000",
        "00z000",
        "zzz000",
        "000001",
        "zzzzzz",
    ]


@given(st.integers(0, 10_000_000), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_daily_quotas_add_up(logs, reference):
    quotas = daily_quotas(logs, reference)
    assert len(quotas) == 90
    assert sum(quotas) == logs
    assert min(quotas) >= 0


def test_no_session_can_start_at_night_or_so_late_that_it_crosses_midnight():
    for weekday in range(7):
        weights = start_weights(weekday)
        assert weights == sorted(weights)
        assert weights[6 * 60 - 1] == 0
        assert weights[LAST_START] == weights[-1] > 0
