"""Rolling declarations, and which cut-off an index should have."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.postgres.index_declaration import parse_declarations
from pgkeel.postgres.index_rolling import Rolling, choose_cutoff, parse_rolling

NOW = datetime(2026, 11, 22, 18, 45, 3)
MONTH = Rolling("at", timedelta(days=30))
MIDNIGHT = datetime(2026, 10, 23)


def test_the_period_and_the_lag_are_parsed():
    assert parse_rolling("i", {"column": "at", "keep": "30 days"}) == MONTH
    assert parse_rolling("i", {"column": "at", "keep": "1 hour"}).keep == timedelta(hours=1)
    assert parse_rolling("i", {"column": "at", "keep": "4 weeks", "lag": 0.5}) == Rolling("at", timedelta(weeks=4), 0.5)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"column": "at", "keep": "1 month"}, "is to keep '1 month'"),
        ({"column": "at", "keep": "0 days"}, "is to keep '0 days'"),
        ({"column": "at", "keep": "-3 days"}, "is to keep"),
        ({"column": "at", "keep": "1000000 days"}, "is to keep '1000000 days'"),
        ({"column": "at", "keep": f"{10**20} weeks"}, "is to keep"),
        ({"column": "at"}, "is to keep ''"),
        ({"keep": "30 days"}, "without a column"),
        ({"column": "at", "keep": "30 days", "lag": 0}, "lag of 0"),
        ({"column": "at", "keep": "30 days", "lag": 1.5}, "lag of 1.5"),
        ({"column": "at", "keep": "30 days", "every": 1}, "unknown rolling option 'every'"),
    ],
)
def test_a_bad_declaration_is_one_sentence(raw, sentence):
    with pytest.raises(PgkeelError, match=sentence):
        parse_rolling("i", raw)


def test_a_unique_index_cannot_roll():
    rolling = {"column": "at", "keep": "30 days"}
    with pytest.raises(PgkeelError, match="rolling and unique"):
        parse_declarations([{"name": "i", "table": "t", "columns": ["a"], "unique": True, "rolling": rolling}])


def test_a_new_cutoff_is_at_midnight_or_at_the_full_hour():
    assert choose_cutoff(MONTH, NOW, []) == MIDNIGHT
    assert choose_cutoff(Rolling("at", timedelta(hours=12)), NOW, []) == datetime(2026, 11, 22, 6)


def test_one_that_lags_a_little_stays_and_one_that_lags_too_much_or_is_ahead_does_not():
    def chosen(days):
        return choose_cutoff(MONTH, NOW, [MIDNIGHT - timedelta(days=days)])

    assert chosen(0) == MIDNIGHT
    assert chosen(3) == MIDNIGHT - timedelta(days=3)
    assert chosen(3.01) == MIDNIGHT
    assert chosen(-1) == MIDNIGHT


@given(st.integers(1, 400), st.floats(0.01, 1), st.integers(0, 24 * 400))
def test_what_was_chosen_is_chosen_again_until_it_lags_too_much(days, lag, hours):
    rolling = Rolling("at", timedelta(days=days), lag)
    first = choose_cutoff(rolling, NOW, [])
    later = NOW + timedelta(hours=hours)
    again = choose_cutoff(rolling, later, [first])
    wanted = choose_cutoff(rolling, later, [])
    assert again == (first if wanted - first <= lag * rolling.keep else wanted)
    assert choose_cutoff(rolling, later, [again]) == again
