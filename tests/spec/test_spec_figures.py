"""Figures in words: alike everywhere, readable without knowing what e+05 means."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titlebout.spec import figure, from_to, percent


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (348_712.3, "348,712"),
        (3.487e05, "348,700"),
        (-0.0, "0"),
        (0.42134, "0.4213"),
        (12.3456, "12.35"),
        (999.96, "1,000"),
        (-3.5, "−3.5"),
        (1e-12, "1e-12"),
        (0.00012346, "0.0001235"),
        (math.nan, "–"),
        (None, "–"),
        (math.inf, "∞"),
    ],
)
def test_a_figure_reads_as_a_person_writes_it(value, shown):
    """Thousands are separated, and zero has no sign."""
    assert figure(value) == shown


@given(st.floats(-1e300, 1e300, allow_nan=False))
def test_a_figure_is_the_value_to_four_digits(value):
    """Whatever the size: read back, it is within half of the last digit shown, and negative only where the value is."""
    text = figure(value)
    back = float(text.replace(",", "").replace("−", "-"))
    assert back == pytest.approx(value, rel=5.01e-4, abs=0)
    assert text.startswith("−") == (value < 0)
    assert "e+" not in text or abs(value) >= 1e15


@given(st.floats(1e-3, 1e6), st.floats(1e-6, 0.5))
def test_the_ends_of_an_interval_differ_where_they_do(low, share):
    """No "1 to 1": digits are added until they differ."""
    first, second = from_to(low, low * (1 + share)).split(" to ")
    assert first != second or low >= 1000


def test_an_interval_around_nothing_has_no_signed_zero():
    """It said "−0 to 0" of a model against itself."""
    assert from_to(-0.0, 0.0) == "0 to 0"


def test_a_percentage_has_one_decimal():
    """And no more."""
    assert (percent(0.1078), percent(1), percent(math.nan)) == ("10.8 %", "100.0 %", "–")


def test_a_share_that_rounds_to_nothing_has_no_sign():
    """As 0 has none."""
    assert percent(-0.0004) == "0.0 %"
