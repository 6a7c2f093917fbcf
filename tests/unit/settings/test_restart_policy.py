"""When a restart may happen."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.postgres.restart_policy import may_restart, parse_window

SUNDAY = datetime(2026, 11, 22, 3, 30)


@pytest.mark.parametrize(
    ("window", "holds"),
    [
        ("Sun 03:00-05:00", True),
        ("03:00-05:00", True),
        ("Mon,Sun 03:30-03:31", True),
        ("Mon 03:00-05:00", False),
        ("Sun 04:00-05:00", False),
        ("Sun 03:00-03:30", False),
        ("Sat 23:00-04:00", True),
        ("Sun 23:00-04:00", False),
        ("Sat 23:00-03:30", False),
    ],
)
def test_a_window_holds_a_moment_or_not(window, holds):
    assert parse_window(window).holds(SUNDAY) is holds


@pytest.mark.parametrize(
    "text", ["", "Sunday 03:00-05:00", "Sun 3:00-5:00", "24:00-25:00", "03:00-03:00", "Sun 03:00", "sun 03:00-05:00"]
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(PgkeelError, match="is not a window"):
        parse_window(text)


@given(st.datetimes())
def test_a_time_lies_in_a_window_or_in_the_rest_of_the_day(now):
    assert parse_window("05:10-21:45").holds(now) != parse_window("21:45-05:10").holds(now)


def test_the_policy_decides():
    assert may_restart("allowed", [], SUNDAY)
    assert not may_restart("never", ["03:00-05:00"], SUNDAY)
    assert may_restart("window", ["Mon 01:00-02:00", "Sun 03:00-05:00"], SUNDAY)
    assert not may_restart("window", ["Mon 03:00-05:00"], SUNDAY)
    with pytest.raises(PgkeelError, match="no window is given"):
        may_restart("window", [], SUNDAY)
