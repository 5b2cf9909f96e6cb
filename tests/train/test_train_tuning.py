"""Find better settings by search, the same ones each time, and write a stable lock."""

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
    """Find the same settings to the last digit, and do not write the lock's equal bytes again."""
    spec = spec_with(method)
    first = tune(tmp_path, spec)
    lock = tmp_path / "models" / "tried" / LOCK_FILE
    text, written_at = lock.read_text(), lock.stat().st_mtime_ns
    assert tune(tmp_path, spec) == first
    assert (lock.read_text(), lock.stat().st_mtime_ns) == (text, written_at)
    assert text.startswith("# The settings that tuning chose for the model tried")


def test_tuning_is_never_worse_than_the_settings_it_started_from(tmp_path):
    """Try the untuned settings first, so that one trial finds exactly them."""
    decided = tune(tmp_path, spec_with("bayesian", trials=1))
    assert decided.settings["linear"].chosen == {"C": 1.0}


def test_the_lock_is_what_is_trained_where_nothing_is_tuned(tmp_path):
    """Prefer locked settings to model.yaml's; a candidate that was not searched keeps its own."""
    decided = tune(tmp_path, spec_with("random"))
    locked = locked_settings(tmp_path, spec_with("random"))
    assert locked.settings["linear"].values == decided.settings["linear"].values
    assert [s.origin for s in locked.settings.values()] == ["settings.lock.yaml", "model.yaml"]
    assert locked.lock_digest == decided.lock_digest


def test_without_a_lock_the_models_own_settings_are_trained(tmp_path):
    """Record model.yaml as the origin, and no lock, where there is no lock."""
    decided = locked_settings(tmp_path, spec_with("random"))
    assert (decided.lock_digest, decided.settings["linear"].origin) == (None, "model.yaml")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("linear:", "unknown:", "candidate 'unknown'"),
        ("estimator: linear", "estimator: trees", r"found linear \(trees\)"),
        ("C:", "strength:", "setting 'strength'"),
    ],
)
def test_a_lock_that_does_not_fit_the_model_is_refused(tmp_path, old, new, named):
    """Name an unknown candidate, another estimator and an unknown setting."""
    tune(tmp_path, spec_with("random"))
    lock = tmp_path / "models" / "tried" / LOCK_FILE
    lock.write_text(lock.read_text().replace(old, new))
    with pytest.raises(SpecError, match=named):
        locked_settings(tmp_path, spec_with("random"))


def test_a_lock_of_other_columns_or_another_metric_has_caveats(tmp_path):
    """Train the lock's settings all the same, and name each difference.

    A lock that does not say on which rows it was tuned has a caveat, too.
    """
    spec = spec_with("random")
    tune(tmp_path, spec, seen=SEEN)
    assert locked_settings(tmp_path, spec).caveats == ()
    columns = {
        **{name: column for name, column in spec.columns.items() if name != "x0"},
        "x9": spec.columns["x1"],
    }
    other = spec.model_copy(update={"columns": columns, "metric": "roc_auc"})
    caveats = locked_settings(tmp_path, other).caveats
    assert "tuned without x9, with x0: tune again" in caveats[0]
    assert "tuned for log_loss, and the model is measured by roc_auc" in caveats[1]
    tune(tmp_path, spec, seen=None)
    assert "does not say on which rows" in locked_settings(tmp_path, spec).caveats[0]


def test_the_lock_carries_the_rows_that_it_was_tuned_on(tmp_path):
    """Carry the rows in the lock, so that the gate of another environment counts them as seen."""
    tune(tmp_path, spec_with("random"), seen=SEEN)
    assert locked_settings(tmp_path, spec_with("random")).seen == SEEN
