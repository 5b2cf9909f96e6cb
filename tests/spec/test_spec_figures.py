"""Test how figures are written: alike everywhere, readable without knowing what e+05 means."""

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
    """Separate thousands, and write zero without a sign."""
    assert figure(value) == shown


@given(st.floats(-1e300, 1e300, allow_nan=False))
def test_a_figure_is_the_value_to_four_digits(value):
    """Write a value of any size so that its error is at most half of the last digit."""
    text = figure(value)
    back = float(text.replace(",", "").replace("−", "-"))
    assert back == pytest.approx(value, rel=5.01e-4, abs=0)
    assert text.startswith("−") == (value < 0)
    assert "e+" not in text or abs(value) >= 1e15


@given(st.floats(1e-3, 1e6), st.floats(1e-6, 0.5))
def test_the_ends_of_an_interval_differ_where_they_do(low, share):
    """Add digits until the ends differ, so that no interval reads "1 to 1"."""
    first, second = from_to(low, low * (1 + share)).split(" to ")
    assert first != second or low >= 1000


def test_an_interval_around_nothing_has_no_signed_zero():
    """Write "0 to 0" for a model compared with itself, not "−0 to 0"."""
    assert from_to(-0.0, 0.0) == "0 to 0"


def test_a_percentage_has_one_decimal():
    """Write a share with one decimal."""
    assert (percent(0.1078), percent(1), percent(math.nan)) == ("10.8 %", "100.0 %", "–")


def test_a_share_that_rounds_to_nothing_has_no_sign():
    """Write a small negative share as 0.0 %, without a sign."""
    assert percent(-0.0004) == "0.0 %"
