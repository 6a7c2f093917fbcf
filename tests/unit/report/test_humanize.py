"""Figures in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.report.humanize import count, duration, figure, percent, plain, plural, rate, size


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "—"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (41_203_311, "41.2 MB"),
        (1_850_000_000, "1.85 GB"),
        (-2_000, "-2.00 kB"),
    ],
)
def test_size(number, text):
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0, "0 s"),
        (0.00042, "420 µs"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (33.44, "33.4 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (86_399, "1 d"),
        (777_600, "9 d"),
        (-3, "-3.00 s"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def _seconds(text: str) -> float:
    units = {"µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86_400}
    return sum(float(number.replace(",", "")) * units[unit] for number, unit in re.findall(r"([\d.,]+) (\S+)", text))


@given(st.floats(min_value=1e-5, max_value=1e9))
def test_a_duration_is_never_far_from_the_truth(seconds):
    assert _seconds(duration(seconds)) == pytest.approx(seconds, rel=0.022)


@given(st.floats(min_value=0.5, max_value=1e16))
def test_a_size_is_never_far_from_the_truth_and_has_at_most_four_digits(number):
    value, unit = size(number).split(" ")
    factor = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}[unit]
    assert float(value) * factor == pytest.approx(number, rel=0.006, abs=0.5)
    assert float(value) < 1000 or unit == "PB"


def test_counts_rates_and_ratios():
    assert (count(912_344), count(1.5), count(0.00012), count(float("inf"))) == ("912,344", "1.50", "0.00012", "—")
    assert (rate(68_113_566), rate(None)) == ("68.1 MB/s", "—")
    assert (percent(0.143), percent(1), percent(None)) == ("14.3 %", "100 %", "—")
    assert (plural(1, "query", "queries"), plural(0, "task")) == ("1 query", "0 tasks")


@pytest.mark.parametrize(
    ("key", "value", "label", "text", "exact"),
    [
        ("size_bytes", 31_203_328, "size", "31.2 MB", "31,203,328 bytes"),
        ("p95_ms", 1204.9, "p95", "1.20 s", "1,204.9 ms"),
        ("inactive_seconds", 777_600, "inactive", "9 d", "777,600 seconds"),
        ("hit_ratio", 0.932, "hit ratio", "93.2 %", "0.932"),
        ("oid", 16_384, "oid", "16384", ""),
        ("port", 54_320, "port", "54320", ""),
        ("scans", 412, "scans", "412", ""),
        ("referencing_rows", 184_220, "referencing rows", "184,220", "184,220"),
        ("index_valid", False, "index valid", "no", ""),
        ("nothing", None, "nothing", "—", ""),
    ],
)
def test_the_unit_comes_from_the_end_of_the_key(key, value, label, text, exact):
    shown = figure(key, value)
    assert (shown.label, shown.text, shown.exact) == (label, text, exact)


def test_nested_evidence_is_readable():
    assert plain([]) == "none"
    assert plain(["a", True, None]) == "a, yes, —"
    assert plain([{"table": "User", "size_bytes": 90_112}, {"table": "Log"}]) == "table User, size 90.1 kB; table Log"
