"""Thresholds: what inventory may say."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.audit.checks import ALL
from pgkeel.audit.thresholds import Thresholds
from pgkeel.errors import PgkeelError

NAMES = [item.name for item in fields(Thresholds)]


@pytest.mark.parametrize("item", fields(Thresholds), ids=NAMES)
def test_defaults_lie_in_their_range_and_name_their_checks(item):
    assert item.metadata["low"] <= item.default <= item.metadata["high"]
    ids = item.metadata["meaning"].partition(":")[0].split(", ")
    assert set(ids) <= {check.id for check in ALL}
    assert isinstance(item.default, int) or item.type == "float"


@given(
    st.sampled_from(fields(Thresholds)), st.one_of(st.integers(), st.floats(allow_nan=True), st.text(), st.booleans(), st.none())
)
def test_a_value_is_taken_or_refused_with_its_range(item, value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number and (item.type == "float" or isinstance(value, int)) and item.metadata["low"] <= value <= item.metadata["high"]
    if fits:
        assert getattr(Thresholds.from_mapping({item.name: value}), item.name) == value
    else:
        with pytest.raises(PgkeelError, match=f"Audit threshold {item.name} is .* from {item.metadata['low']}"):
            Thresholds.from_mapping({item.name: value})


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(PgkeelError, match=r"Unknown audit threshold 'dead_row'\. Use one of .*dead_rows"):
        Thresholds.from_mapping({"dead_row": 1})


def test_nothing_given_means_the_defaults():
    assert Thresholds.from_mapping({}) == Thresholds()
