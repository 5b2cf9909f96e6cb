"""The search finds better settings, the same ones each time, and its lock is stable."""

import pytest
from support.real_tables import rows_of, spec_of

from titlebout.spec import ModelSpec, SeenRows, SpecError, Split
from titlebout.train.candidate_settings import locked_settings, tuned_settings
from titlebout.train.folds import make_folds
from titlebout.train.settings_lock import LOCK_FILE

SEEN = SeenRows(
    dataset="d" * 64, split=Split(by="row"), key_columns=("x0",), seen_from={"0": 0.21, "1": 0.3}
)
RANGES = {"C": {"low": 1e-4, "high": 10.0, "log": True}}


def spec_with(method: str, trials: int = 3) -> ModelSpec:
    candidates = {
        "linear": {"estimator": "linear", "search": RANGES},
        "trees": {"estimator": "trees"},
    }
    return spec_of("binary", candidates, tuning={"method": method, "trials": trials})


def tune(project, spec, *, seen=None):
    (project / "models" / "tried").mkdir(parents=True, exist_ok=True)
    rows = rows_of("binary")
    return tuned_settings(
        project,
        spec,
        sample=rows,
        folds=make_folds(spec, rows),
        classes=2,
        dataset="d" * 64,
        seen=seen,
    )


@pytest.mark.parametrize("method", ["bayesian", "random", "grid"])
def test_the_same_seed_finds_the_same_settings(tmp_path, method):
    """Two searches agree to the last digit, and the lock's bytes with them; the file is not touched again."""
    spec = spec_with(method)
    first = tune(tmp_path, spec)
    lock = tmp_path / "models" / "tried" / LOCK_FILE
    text, touched = lock.read_text(), lock.stat().st_mtime_ns
    assert tune(tmp_path, spec) == first
    assert (lock.read_text(), lock.stat().st_mtime_ns) == (text, touched)
    assert text.startswith("# The settings that tuning chose for the model tried")


def test_tuning_is_never_worse_than_the_settings_it_started_from(tmp_path):
    """The untuned settings are the first trial, so one trial finds exactly them."""
    decided = tune(tmp_path, spec_with("bayesian", trials=1))
    assert decided.settings["linear"].chosen == {"C": 1.0}


def test_the_lock_is_what_is_trained_where_nothing_is_tuned(tmp_path):
    """Locked settings win over model.yaml; a candidate that was not searched keeps its own."""
    decided = tune(tmp_path, spec_with("random"))
    locked = locked_settings(tmp_path, spec_with("random"))
    assert locked.settings["linear"].values == decided.settings["linear"].values
    assert [s.origin for s in locked.settings.values()] == ["settings.lock.yaml", "model.yaml"]
    assert locked.lock_digest == decided.lock_digest


def test_without_a_lock_the_models_own_settings_are_trained(tmp_path):
    """The record then says model.yaml, and knows no lock."""
    decided = locked_settings(tmp_path, spec_with("random"))
    assert (decided.lock_digest, decided.settings["linear"].origin) == (None, "model.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [("linear:", "stranger:"), ("estimator: linear", "estimator: trees"), ("C:", "strength:")],
)
def test_a_lock_that_does_not_fit_the_model_is_refused(tmp_path, old, new):
    """An unknown candidate, another estimator, an unknown setting: each is named."""
    tune(tmp_path, spec_with("random"))
    lock = tmp_path / "models" / "tried" / LOCK_FILE
    lock.write_text(lock.read_text().replace(old, new))
    with pytest.raises(SpecError, match=r"stranger|trees|strength"):
        locked_settings(tmp_path, spec_with("random"))


def test_a_lock_of_other_columns_or_another_metric_gets_a_word(tmp_path):
    """Its settings are trained all the same, and each difference is named; a lock that does not say its rows says so."""
    spec = spec_with("random")
    tune(tmp_path, spec, seen=SEEN)
    assert locked_settings(tmp_path, spec).caveats == ()
    columns = {
        **{name: column for name, column in spec.columns.items() if name != "x0"},
        "x9": spec.columns["x1"],
    }
    other = spec.model_copy(update={"columns": columns, "metric": "roc_auc"})
    words = locked_settings(tmp_path, other).caveats
    assert "tuned without x9, with x0: tune again" in words[0]
    assert "tuned for log_loss, and the model is judged by roc_auc" in words[1]
    tune(tmp_path, spec, seen=None)
    assert "does not say on which rows" in locked_settings(tmp_path, spec).caveats[0]


def test_the_lock_carries_the_rows_that_it_was_tuned_on(tmp_path):
    """So that the gate of another environment, which has no such dataset, can count them as seen."""
    tune(tmp_path, spec_with("random"), seen=SEEN)
    assert locked_settings(tmp_path, spec_with("random")).seen == SEEN
