"""Real flights: a summer is not a spring, labels come late, and the report says what it found."""

import io
import json
import shutil
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.monitored_champion import MODEL, Watched, build
from typer.testing import CliRunner

from titlebout.cli import app
from titlebout.monitor import explain, label, page_of, watch
from titlebout.registry import Registry
from titlebout.spec import DriftReport, IntegrityError, SpecError


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Watched:
    return build(tmp_path_factory.mktemp("watched"))


@pytest.fixture
def watched(built: Watched, monkeypatch) -> Watched:
    """Nothing is served yet, and there are no labels."""
    for folder in ("inference", "labels", "drift"):
        shutil.rmtree(built.storage.address(folder), ignore_errors=True)
    monkeypatch.setattr(
        Registry, "connect", lambda project, environment: built.registry
    )  # the edge: no server in this test
    return built


@pytest.fixture
def summer(watched: Watched, tmp_path: Path) -> Path:
    """June and July are served; returns the file of their labels."""
    return to_parquet(
        watched.serve(watched.between("2013-06-01", "2013-08-01").iloc[::5]), tmp_path
    )


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
    assert honest.window.low < honest.window.value < honest.window.high
    assert honest.loss < honest.threshold
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
    assert (
        watched.storage.read_record(
            DriftReport, "drift", MODEL, f"{report.digest}.json", digest=report.digest
        )
        == report
    )
    page = watched.storage.read("drift", MODEL, f"{report.digest}.html").decode()
    assert page.count("<svg") == 2
    assert page_of(watched.project, "prod", report) == watched.storage.address(
        "drift", MODEL, f"{report.digest}.html"
    )
    assert "<script" not in page
    assert 'src="http' not in page
    assert f"run1/drift/{report.digest}.html" in watched.registry.logged


def test_the_explanation_says_what_drifted_and_how_sure_it_is(watched, summer):
    """With the rate of false alarms."""
    text = explain(watch(watched.project, MODEL, "prod", since="2013-06-01"))
    for part in (
        "DRIFT: flights",
        "on 61 days",
        "without drift, 1% of such reports",
        "drift from",
        "--retrain",
    ):
        assert part in text


def test_the_same_window_gives_the_same_report(watched, summer):
    """Seeded: nothing is left to chance."""
    first, second = (watch(watched.project, MODEL, "prod", since="2013-06-01") for _ in range(2))
    assert first.digest == second.digest


def test_too_few_predictions_cannot_tell(watched):
    """Neither drift nor its absence: the report says so, names the tests, and how many predictions would do."""
    watched.serve(watched.between("2013-06-01", "2013-06-02").iloc[::38].iloc[:20])
    report = watch(watched.project, MODEL, "prod")
    assert (report.decision, report.reasons, report.rows) == ("cannot tell", (), 20)
    assert "CANNOT TELL: flights, 20 predictions" in explain(report)
    assert any("wait for about" in said for said in report.cannot_tell)


def test_no_predictions_at_all_cannot_tell(watched):
    """A quiet model is no error of the monitor, and no absence of drift."""
    report = watch(watched.project, MODEL, "prod")
    assert (report.decision, report.rows, report.window) == ("cannot tell", 0, None)
    assert "there are no predictions" in explain(report)


class TestCommand:
    """What a scheduler reads: 0 for no drift, 10 for drift, 11 where that cannot be told; and where the page is."""

    @pytest.fixture
    def run(self, watched, monkeypatch):
        monkeypatch.chdir(watched.project)
        monkeypatch.setattr(
            "titlebout.retrain.retrain", lambda *_, **__: pytest.fail("training was started")
        )
        return lambda *more: CliRunner().invoke(app, ["monitor", MODEL, "--env", "prod", *more])

    def test_what_cannot_be_told_has_a_code_of_its_own(self, watched, run):
        """And does not start a training."""
        done = run("--retrain")
        assert done.exit_code == 11
        assert done.stdout.startswith("CANNOT TELL: flights")
        page = done.stdout.rpartition("page")[2].strip()
        assert Path(page).read_text().startswith("<!doctype html>")

    def test_drift_and_its_absence(self, watched, run):
        """With --json the page is named beside the record, on standard error."""
        watched.serve(watched.between("2013-01-20", "2013-03-10").iloc[::5])
        assert run().exit_code == 0
        watched.serve(watched.between("2013-06-01", "2013-08-01").iloc[::10])
        done = run("--since", "2013-06-01", "--json")
        assert done.exit_code == 10
        assert json.loads(done.stdout)["decision"] == "drift"
        assert ".html" in done.stderr

    def test_a_window_that_is_no_time_is_an_error(self, run):
        """Exit 1, by the error family, and no traceback."""
        assert isinstance(run("--since", "June").exception, SpecError)
        assert isinstance(
            run("--since", "2013-06-02", "--until", "2013-06-01").exception, SpecError
        )


class TestEventTimes:
    """Counted by the time of the event, where that can be true; what is left out is counted."""

    @pytest.fixture
    def june(self, watched) -> None:
        watched.serve(watched.between("2013-06-01", "2013-07-01").iloc[::25])

    @pytest.mark.parametrize(
        ("time", "share"), [("2035-01-01", 1), ("9999-12-31", 400), ("0001-01-01", 400)]
    )
    def test_a_time_that_cannot_be_leaves_the_report_as_it_is(self, watched, june, time, share):
        """One row of 2035, or 400 of them, neither end the command nor hide what the others say."""
        before = watch(watched.project, MODEL, "prod")
        claim(watched, time, rows=share)
        after = watch(watched.project, MODEL, "prod")
        assert after.left_out == share
        assert after.model_copy(update={"left_out": 0}) == before
        assert f"{share} more were left out" in explain(after)


def claim(watched: Watched, time: str, *, rows: int) -> None:
    """Copy rows of the table under another event time, as if their server had let it through."""
    (day,) = watched.storage.names("inference", MODEL)
    name = watched.storage.names("inference", MODEL, day)[0]
    table = pq.read_table(io.BytesIO(watched.storage.read("inference", MODEL, day, name)))
    copied = table.slice(0, 1).take(pa.array([0] * rows))
    times = pa.array([datetime.fromisoformat(time)] * rows, type=pa.timestamp("us", tz="UTC"))
    buffer = io.BytesIO()
    pq.write_table(copied.set_column(table.schema.get_field_index("time"), "time", times), buffer)
    watched.storage.write(buffer.getvalue(), "inference", MODEL, day, f"{name}.more.parquet")


def test_an_altered_champion_is_not_watched(watched, summer, monkeypatch):
    """Its predictions would be somebody else's."""
    altered = Path(shutil.copytree(watched.registry.folder, summer.parent / "altered"))
    (altered / "contract.json").write_text(
        (altered / "contract.json").read_text().replace("0.5", "0.6")
    )
    monkeypatch.setattr(watched.registry, "folder", altered)
    with pytest.raises(IntegrityError):
        watch(watched.project, MODEL, "prod")
