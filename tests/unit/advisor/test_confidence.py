"""Confidence comes from what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.advisor.confidence import ESTIMATE_CAP, FASTER, Evidence, confidence
from pgkeel.advisor.model import Measured

GOOD = Measured(time_ratio=0.3, buffers_ratio=0.2, worst_query_ratio=1.0, write_ratio=1.1, bytes=8192, rounds=5)


def test_measured_well() -> None:
    assert confidence(Evidence(GOOD)) == FASTER > 90


@given(st.floats(0, 1))
def test_an_estimate_alone_never_goes_beyond_the_cap(gain: float) -> None:
    assert confidence(Evidence(estimated_gain=gain)) <= ESTIMATE_CAP


@given(st.floats(-1, 1))
def test_the_estimate_does_not_matter_once_there_is_a_measurement(gain: float) -> None:
    assert confidence(Evidence(GOOD, estimated_gain=gain)) == FASTER


@pytest.mark.parametrize(
    ("change", "evidence", "most"),
    [
        ({"worst_query_ratio": 1.16}, {}, 0),
        ({"time_ratio": 1.0}, {}, 0),
        ({"buffers_ratio": 0.81}, {}, 70),
        ({"time_ratio": 0.95}, {}, 50),
        ({"rounds": 1}, {}, 35),
        ({}, {"write_share": 1.0}, 0),
        ({}, {"write_share": 0.6}, 75),
        ({"write_ratio": None}, {"write_known": False}, 75),
        ({}, {"guessed": True}, 80),
        ({}, {"replayed_share": 0.5}, 60),
        ({}, {"policies": True}, 60),
        ({}, {"outside_spread": False}, 50),
    ],
)
def test_each_doubt_counts(change: dict, evidence: dict, most: float) -> None:
    assert confidence(Evidence(replace(GOOD, **change), **evidence)) <= most < FASTER
