"""Find the same whatever a feature is called, also like one of the monitor's own names."""

from html import escape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.monitor_tables import reference, window

from titlebout.monitor import calibrate
from titlebout.monitor.drift_page import write_html
from titlebout.monitor.drifts import find_drifts
from titlebout.monitor.performance import find_performance
from titlebout.serve.inference_rows import OWN_COLUMNS, PREFIX
from titlebout.spec import Drift, DriftReport

OWN = [
    *OWN_COLUMNS,
    "label",
    "labels",
    "loss",
    "y",
    "target",
    "block",
    "new",
    "missing",
    "reference",
    "window",
    "bins",
    "drift",
    "threshold",
]
NAMES = st.one_of(
    st.sampled_from([*OWN, *(PREFIX + name for name in OWN), "the target", "the time"]),
    st.text(min_size=1, max_size=12).filter(
        lambda name: name.strip() == name and name.isprintable()
    ),
    st.sampled_from(["$a_b$", "日本", "ñ", "a" * 300]),
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        NAMES.filter(lambda name: name not in ("the target", "the time")),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_a_feature_may_have_any_name(names):
    """Find that the first column drifts and the second does not."""
    random = np.random.default_rng(0)
    calm, moved = random.normal(size=1500), random.normal(size=400) + 3
    resamples, calibrate.RESAMPLES = calibrate.RESAMPLES, 300
    try:
        found = find_drifts(
            reference({names[0]: ("number", calm), names[1]: ("number", calm)}),
            window({names[0]: moved, names[1]: random.normal(size=400)}),
            days=1,
            rate=0.01,
            seed=0,
        )
    finally:
        calibrate.RESAMPLES = resamples
    assert [drift.kind for drift in found.drifts] == ["prediction", "column", "column"]
    assert {drift.name: drift.drifted for drift in found.drifts[1:]} == {
        names[0]: True,
        names[1]: False,
    }


@pytest.mark.parametrize("name", ["label", "score", "time", "request_id"])
def test_a_feature_of_that_name_and_late_labels(name):
    """Keep labels and a feature of that name apart."""
    random = np.random.default_rng(0)
    served = window({name: random.normal(size=300)})
    truth = pd.Series(np.where(random.random(300) < served["score"], "yes", "no"))
    found = find_performance(
        reference({name: ("number", random.normal(size=300))}),
        served,
        truth,
        metric="log_loss",
        rate=0.01,
        seed=0,
    )
    assert not found.drifted
    assert (
        find_performance(reference({}), served, truth, metric="log_loss", rate=0.01, seed=0)
        == found
    )


@pytest.mark.filterwarnings("error")
def test_the_page_shows_names_as_they_are():
    """Show names without formulas or markup, in every script.

    The monitor's own names are in parentheses.
    """
    names = ["$a_b$", r"\frac{", "<b>", "日本"]
    bins = ("$0-$40K", "(new)", "(missing)")
    drifts = tuple(
        Drift(
            name=name,
            kind="column",
            distance=0.5,
            threshold=0.1,
            smallest_change=0.1,
            drifted=True,
            can_tell=True,
            bins=bins,
            reference=(0.5, 0.5, 0.0),
            window=(0.0, 1.0, 0.0),
        )
        for name in names
    )
    page = write_html(report(drifts))
    for name in (*names, "$0-$40K"):
        assert f">{escape(name, quote=False)}</text>" in page
    assert "<b>" not in page


def report(drifts) -> DriftReport:
    """Make a report of these drifts alone."""
    return DriftReport(
        model="m",
        releases=(),
        model_digest="d",
        dataset="d",
        window=None,
        rows=1,
        left_out=0,
        days=1,
        false_alarm_rate=0.01,
        performance_false_alarm_rate=0.01,
        seed=0,
        drifts=drifts,
        performance=None,
        without_performance="a test",
        decision="none",
        reasons=(),
        cannot_tell=(),
    )
