"""Real flights: a summer is not a spring, labels come late, and the report says what it found."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from watched import MODEL, Watched, build

from titlebout.monitor import explain, label, watch
from titlebout.registry import Registry
from titlebout.spec import DataError, DriftReport, IntegrityError


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Watched:
    return build(tmp_path_factory.mktemp("watched"))


@pytest.fixture
def watched(built: Watched, monkeypatch) -> Watched:
    """Nothing is served yet, and there are no labels."""
    for folder in ("inference", "labels", "drift"):
        shutil.rmtree(built.storage.address(folder), ignore_errors=True)
    monkeypatch.setattr(Registry, "connect", lambda project, environment: built.registry)  # the edge: no server in this test
    return built


@pytest.fixture
def summer(watched: Watched, tmp_path: Path) -> Path:
    """June and July are served; returns the file of their labels."""
    return to_parquet(watched.serve(watched.between("2013-06-01", "2013-08-01").iloc[::5]), tmp_path)


def to_parquet(labels: pd.DataFrame, folder: Path) -> Path:
    labels.to_parquet(folder / "labels.parquet")
    return folder / "labels.parquet"


def test_the_summer_drifts_from_the_spring(watched, summer):
    """Other planes to other places; nobody has told yet who was late."""
    report = watch(watched.project, MODEL, "prod", since="2013-06-01", until="2013-08-01")
    assert report.decision == "drift"
    drifted = {drift.name for drift in report.drifts if drift.drifted}
    assert drifted & {"distance", "dest", "seats", "plane_built"}
    assert drifted.isdisjoint({"weekday", "origin"})
    assert (report.days, report.performance) == (61, None)
    assert "0 of" in report.without_performance


def test_the_same_season_does_not_drift(watched):
    """Flights of the days that the Champion was trained on, but other ones: the fraction left them out."""
    known = set(watched.dataset.parts["train"].first_time or "")
    assert known
    watched.serve(watched.between("2013-01-20", "2013-03-10").iloc[::3])
    report = watch(watched.project, MODEL, "prod")
    assert (report.decision, report.reasons, report.days) == ("none", (), 30)


def test_labels_tell_the_performance(watched, summer):
    """The same window with its labels, and with labels that say the opposite of the truth."""
    assert label(watched.project, MODEL, "prod", summer, by="a test")["added"] > 10_000
    honest = watch(watched.project, MODEL, "prod", since="2013-06-01").performance
    assert (honest.metric, honest.drifted) == ("log_loss", False)
    assert honest.low < honest.loss < honest.high
    shutil.rmtree(watched.storage.address("labels"))
    truth = pd.read_parquet(summer)
    truth["label"] = truth["label"].map({"late": "on time", "on time": "late"})
    label(watched.project, MODEL, "prod", to_parquet(truth, summer.parent), by="a test")
    report = watch(watched.project, MODEL, "prod", since="2013-06-01")
    assert report.performance.drifted
    assert any(reason.startswith("log_loss got worse") for reason in report.reasons)


def test_the_report_is_kept_and_can_be_read_offline(watched, summer):
    """A record by its digest, a page without any address in it, and both in the Champion's run."""
    report = watch(watched.project, MODEL, "prod", since="2013-06-01")
    assert watched.storage.read_record(DriftReport, "drift", MODEL, f"{report.digest}.json", digest=report.digest) == report
    page = watched.storage.read("drift", MODEL, f"{report.digest}.html").decode()
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert 'src="http' not in page
    assert f"run1/drift/{report.digest}.html" in watched.registry.logged


def test_the_explanation_says_what_drifted_and_how_sure_it_is(watched, summer):
    """With the rate of false alarms."""
    text = explain(watch(watched.project, MODEL, "prod", since="2013-06-01"))
    for part in ("DRIFT: flights", "on 61 days", "without drift, 1% of such reports", "drift from", "--retrain"):
        assert part in text


def test_the_same_window_gives_the_same_report(watched, summer):
    """Seeded: nothing is left to chance."""
    first, second = (watch(watched.project, MODEL, "prod", since="2013-06-01") for _ in range(2))
    assert first.digest == second.digest


def test_too_few_predictions_are_no_report(watched):
    """Neither drift nor its absence can be told."""
    watched.serve(watched.between("2013-06-01", "2013-06-02").iloc[:20])
    with pytest.raises(DataError, match="at least 100 predictions of the Champion; found 20"):
        watch(watched.project, MODEL, "prod")


def test_an_altered_champion_is_not_watched(watched, summer, monkeypatch):
    """Its predictions would be somebody else's."""
    altered = Path(shutil.copytree(watched.registry.folder, summer.parent / "altered"))
    (altered / "contract.json").write_text((altered / "contract.json").read_text().replace("0.5", "0.6"))
    monkeypatch.setattr(watched.registry, "folder", altered)
    with pytest.raises(IntegrityError):
        watch(watched.project, MODEL, "prod")
