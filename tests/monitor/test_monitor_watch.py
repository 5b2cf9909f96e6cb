"""Monitor real flights: a summer is not a spring, labels come late, the report explains itself."""

import io
import json
import shutil
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.monitored_champion import MODEL, MonitoredChampion, build_monitored_champion
from typer.testing import CliRunner

from titlebout.cli import app
from titlebout.monitor import explain, label, report_address, watch
from titlebout.registry import Registry
from titlebout.spec import DriftReport, IntegrityError, SpecError


@pytest.fixture(scope="module")
def built_champion(tmp_path_factory) -> MonitoredChampion:
    """Build the Champion once for all tests here."""
    return build_monitored_champion(tmp_path_factory.mktemp("monitored"))


@pytest.fixture
def champion(built_champion: MonitoredChampion, monkeypatch) -> MonitoredChampion:
    """Return the Champion with nothing served yet, and no labels."""
    for folder in ("inference", "labels", "drift"):
        shutil.rmtree(built_champion.storage.address(folder), ignore_errors=True)
    monkeypatch.setattr(
        Registry, "connect", lambda project, environment: built_champion.registry
    )  # the edge: no server in this test
    return built_champion


@pytest.fixture
def summer(champion: MonitoredChampion, tmp_path: Path) -> Path:
    """Serve June and July. Return the file of their labels."""
    return to_parquet(
        champion.serve(champion.between("2013-06-01", "2013-08-01").iloc[::5]), tmp_path
    )


def to_parquet(labels: pd.DataFrame, folder: Path) -> Path:
    labels.to_parquet(folder / "labels.parquet")
    return folder / "labels.parquet"


def test_the_summer_drifts_from_the_spring(champion, summer):
    """Find other planes to other places, and no performance without labels."""
    report = watch(champion.project, MODEL, "prod", since="2013-06-01", until="2013-08-01")
    assert report.decision == "drift"
    drifted = {drift.name for drift in report.drifts if drift.drifted}
    assert drifted & {"distance", "dest", "seats", "plane_built"}
    assert drifted.isdisjoint({"weekday", "origin"})
    assert (report.days, report.performance) == (61, None)
    assert "0 of" in report.without_performance


def test_the_same_season_does_not_drift(champion):
    """Find no drift in other flights of the days that the Champion was trained on."""
    known = set(champion.dataset.parts["train"].first_time or "")
    assert known
    champion.serve(champion.between("2013-01-20", "2013-03-10").iloc[::3])
    report = watch(champion.project, MODEL, "prod")
    assert (report.decision, report.reasons, report.days) == ("none", (), 30)


def test_labels_tell_the_performance(champion, summer):
    """Find no loss with the true labels, and one with the opposite labels."""
    assert label(champion.project, MODEL, "prod", summer, by="a test")["added"] > 10_000
    honest = watch(champion.project, MODEL, "prod", since="2013-06-01").performance
    assert (honest.metric, honest.drifted) == ("log_loss", False)
    assert honest.window.low < honest.window.value < honest.window.high
    assert honest.loss < honest.threshold
    shutil.rmtree(champion.storage.address("labels"))
    truth = pd.read_parquet(summer)
    truth["label"] = truth["label"].map({"late": "on time", "on time": "late"})
    label(champion.project, MODEL, "prod", to_parquet(truth, summer.parent), by="a test")
    report = watch(champion.project, MODEL, "prod", since="2013-06-01")
    assert report.performance.drifted
    assert any(reason.startswith("log_loss got worse") for reason in report.reasons)


def test_the_report_is_kept_and_can_be_read_offline(champion, summer):
    """Keep a record by its digest and a page without addresses, both also in the Champion's run."""
    report = watch(champion.project, MODEL, "prod", since="2013-06-01")
    assert (
        champion.storage.read_record(
            DriftReport, "drift", MODEL, f"{report.digest}.json", digest=report.digest
        )
        == report
    )
    page = champion.storage.read("drift", MODEL, f"{report.digest}.html").decode()
    assert page.count("<svg") == 2
    assert report_address(champion.project, "prod", report) == champion.storage.address(
        "drift", MODEL, f"{report.digest}.html"
    )
    assert "<script" not in page
    assert 'src="http' not in page
    assert f"run1/drift/{report.digest}.html" in champion.registry.logged


def test_the_explanation_says_what_drifted_and_how_sure_it_is(champion, summer):
    """Print what drifted, with the rate of false alarms."""
    text = explain(watch(champion.project, MODEL, "prod", since="2013-06-01"))
    for part in (
        "DRIFT: flights",
        "on 61 days",
        "without drift, 1% of such reports",
        "drift from",
        "--retrain",
    ):
        assert part in text


def test_the_same_window_gives_the_same_report(champion, summer):
    """Return the same report for the same seed."""
    first, second = (watch(champion.project, MODEL, "prod", since="2013-06-01") for _ in range(2))
    assert first.digest == second.digest


def test_too_few_predictions_cannot_tell(champion):
    """Report that too few predictions cannot tell, and how many are needed."""
    champion.serve(champion.between("2013-06-01", "2013-06-02").iloc[::38].iloc[:20])
    report = watch(champion.project, MODEL, "prod")
    assert (report.decision, report.reasons, report.rows) == ("cannot tell", (), 20)
    assert "CANNOT TELL: flights, 20 predictions" in explain(report)
    assert any("wait for about" in said for said in report.cannot_tell)


def test_no_predictions_at_all_cannot_tell(champion):
    """Report that no predictions cannot tell: that is no error, and no absence of drift."""
    report = watch(champion.project, MODEL, "prod")
    assert (report.decision, report.rows, report.window) == ("cannot tell", 0, None)
    assert "there are no predictions" in explain(report)


class TestCommand:
    """Exit by 0 without drift, 10 with drift, 11 if that cannot be told; print the page's path."""

    @pytest.fixture
    def run(self, champion, monkeypatch):
        monkeypatch.chdir(champion.project)
        monkeypatch.setattr(
            "titlebout.retrain.retrain", lambda *_, **__: pytest.fail("training was started")
        )
        return lambda *more: CliRunner().invoke(app, ["monitor", MODEL, "--env", "prod", *more])

    def test_what_cannot_be_told_has_a_code_of_its_own(self, champion, run):
        """Exit by 11, and start no training."""
        done = run("--retrain")
        assert done.exit_code == 11
        assert done.stdout.startswith("CANNOT TELL: flights")
        page = done.stdout.rpartition("page")[2].strip()
        assert Path(page).read_text().startswith("<!doctype html>")

    def test_drift_and_its_absence(self, champion, run):
        """Print the page's path on standard error with --json."""
        champion.serve(champion.between("2013-01-20", "2013-03-10").iloc[::5])
        assert run().exit_code == 0
        champion.serve(champion.between("2013-06-01", "2013-08-01").iloc[::10])
        done = run("--since", "2013-06-01", "--json")
        assert done.exit_code == 10
        assert json.loads(done.stdout)["decision"] == "drift"
        assert ".html" in done.stderr

    def test_a_window_that_is_no_time_is_an_error(self, run):
        """Exit by 1 with an error of the family, and no traceback."""
        assert isinstance(run("--since", "June").exception, SpecError)
        assert isinstance(
            run("--since", "2013-06-02", "--until", "2013-06-01").exception, SpecError
        )


class TestEventTimes:
    """Count by the time of the event if it can be true, and count what is left out."""

    @pytest.fixture
    def june(self, champion) -> None:
        champion.serve(champion.between("2013-06-01", "2013-07-01").iloc[::25])

    @pytest.mark.parametrize(
        ("time", "share"), [("2035-01-01", 1), ("9999-12-31", 400), ("0001-01-01", 400)]
    )
    def test_a_time_that_cannot_be_leaves_the_report_as_it_is(self, champion, june, time, share):
        """Leave the report as it is for one row of 2035, or 400 impossible rows."""
        before = watch(champion.project, MODEL, "prod")
        claim(champion, time, rows=share)
        after = watch(champion.project, MODEL, "prod")
        assert after.left_out == share
        assert after.model_copy(update={"left_out": 0}) == before
        assert f"{share} more were left out" in explain(after)


def claim(champion: MonitoredChampion, time: str, *, rows: int) -> None:
    """Copy rows of the table under another event time, as if their server had let it through."""
    (day,) = champion.storage.names("inference", MODEL)
    name = champion.storage.names("inference", MODEL, day)[0]
    table = pq.read_table(io.BytesIO(champion.storage.read("inference", MODEL, day, name)))
    copied = table.slice(0, 1).take(pa.array([0] * rows))
    times = pa.array([datetime.fromisoformat(time)] * rows, type=pa.timestamp("us", tz="UTC"))
    buffer = io.BytesIO()
    pq.write_table(copied.set_column(table.schema.get_field_index("time"), "time", times), buffer)
    champion.storage.write(buffer.getvalue(), "inference", MODEL, day, f"{name}.more.parquet")


def test_an_altered_champion_is_not_watched(champion, summer, monkeypatch):
    """Refuse an altered Champion: its predictions would be another model's."""
    altered = Path(shutil.copytree(champion.registry.folder, summer.parent / "altered"))
    (altered / "contract.json").write_text(
        (altered / "contract.json").read_text().replace("0.5", "0.6")
    )
    monkeypatch.setattr(champion.registry, "folder", altered)
    with pytest.raises(IntegrityError):
        watch(champion.project, MODEL, "prod")
