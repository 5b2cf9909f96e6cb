"""Compare releases that answered at the same time, by labels and by requests that both saw."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from titlebout.monitor.compare import compare, compare_rows, in_words
from titlebout.spec import DataError

MODEL_YAML = Path(__file__).parents[2] / "models" / "flights" / "model.yaml"
OLD, NEW = "a" * 64, "b" * 64


def rows(release: str, ids: range, *, wrong_every: int) -> pd.DataFrame:
    """Make a release's rows. The label is always `yes`; one of so many rows answers `no`."""
    predictions = ["no" if number % wrong_every == 0 else "yes" for number in ids]
    return pd.DataFrame(
        {
            "request_id": [f"r{number}" for number in ids],
            "time": pd.Timestamp("2026-11-01", tz="UTC"),
            "release": release,
            "slot": "blue" if release == OLD else "green",
            "client": None,
            "prediction": predictions,
            "score": [0.9 if release == OLD else 0.8] * len(predictions),
        }
    )


@pytest.fixture
def project(tmp_path):
    """Return a project whose inference table `serve` writes."""
    (tmp_path / "models" / "flights").mkdir(parents=True)
    (tmp_path / "models" / "flights" / "model.yaml").write_text(MODEL_YAML.read_text())
    (tmp_path / "environments" / "prod").mkdir(parents=True)
    (tmp_path / "environments" / "prod" / "environment.yaml").write_text(
        json.dumps({"name": "prod", "mlflow": "http://x", "storage": "store"})
    )
    return tmp_path


def serve(project: Path, *frames: pd.DataFrame) -> None:
    day, labels = (
        project / "store" / "inference" / "flights" / "date=2026-11-01",
        project / "store" / "labels" / "flights",
    )
    for folder in (day, labels):
        folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        frame.to_parquet(day / f"{number}.parquet")
    ids = pd.concat(frames)["request_id"].unique()
    about = {
        "revision": 0,
        "time": datetime(2026, 11, 2, tzinfo=UTC),
        "by": "a test",
        "reason": None,
    }
    pd.DataFrame({"request_id": ids, "label": "yes", **about}).to_parquet(labels / "labels.parquet")


def found(project: Path):
    return compare(project, "flights", "prod", releases=(OLD, NEW), span=None)


def test_groups_are_compared_by_their_labels(project):
    """Find an interval above 0 for a twentieth wrong against a fifth, for other clients each."""
    serve(
        project, rows(OLD, range(1000), wrong_every=20), rows(NEW, range(1000, 2000), wrong_every=5)
    )
    result = found(project)
    assert [group.loss for group in result.groups] == [0.05, 0.2]
    assert 0 < result.low < result.difference < result.high
    assert result.pairs.rows == 0


def test_a_shadow_is_compared_on_the_same_requests(project):
    """Compare on the same requests if both answered every one.

    A tenth differ, and the scores are a tenth apart.
    """
    serve(project, rows(OLD, range(1000), wrong_every=10), rows(NEW, range(1000), wrong_every=1001))
    result = found(project)
    assert (result.pairs.rows, round(result.pairs.score_difference, 6)) == (1000, 0.1)
    assert result.pairs.agreement == pytest.approx(0.901)
    assert "1000 requests answered by both" in in_words(result)


def test_a_release_without_answers_is_refused(project):
    """Refuse a comparison with nothing: it would look like no difference."""
    serve(project, rows(OLD, range(10), wrong_every=5))
    with pytest.raises(DataError, match="answers of release bbbb"):
        found(project)


CLIENTS, REQUESTS = 500, 20


def ab(
    random: np.random.Generator, *, better: float = 0.0, alike: float = 1.5, named: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw two groups of clients.

    How hard a client's requests are is its own, and the same for both releases but for `better`.
    """
    groups = []
    for number in range(2):
        client = np.repeat(np.arange(CLIENTS // 2), REQUESTS)
        hard = alike * random.normal(size=CLIENTS // 2)[client]
        wrong = random.random(len(client)) < 1 / (1 + np.exp(1.5 - hard)) - better * number
        ids = [f"{number}-{row}" for row in range(len(client))]
        groups.append(
            pd.DataFrame(
                {
                    "request_id": ids,
                    "client": [f"c{number}-{one}" for one in client] if named else None,
                    "prediction": "yes",
                    "score": 0.9,
                    "loss": wrong.astype(float),
                }
            )
        )
    return groups[0], groups[1]


def false_differences(trials: int, **kind: bool) -> float:
    """Return the share of comparisons of equal releases whose interval leaves out 0."""
    found = [
        compare_rows(
            *ab(np.random.default_rng(trial), **kind), releases=(OLD, NEW), regression=False
        )
        for trial in range(trials)
    ]
    return float(np.mean([not one.low <= 0 <= one.high for one in found]))


def test_clients_are_counted_and_not_requests():
    """Find 5 % of false differences in 500 clients of 20 requests each.

    Without the clients' names there are at least three times as many.
    """
    assert false_differences(40) <= 0.1
    assert false_differences(12, named=False) > 0.25


def test_a_real_difference_between_groups_is_found():
    """Find a release that is better by ten wrong answers of a hundred."""
    found = compare_rows(
        *ab(np.random.default_rng(1), better=0.2), releases=(OLD, NEW), regression=False
    )
    assert found.by == "clients"
    assert found.high < 0
    assert found.groups[0].clusters == CLIENTS // 2


def test_requests_without_a_client_are_said():
    """Warn of requests without a client: the interval could be too narrow."""
    found = compare_rows(
        *ab(np.random.default_rng(1), named=False), releases=(OLD, NEW), regression=False
    )
    assert "have no client" in in_words(found)
    assert found.groups[0].clusters == len(ab(np.random.default_rng(1))[0])


def alike(clients: int, *, loss: float = 0.0, of: str = "a") -> pd.DataFrame:
    """Make thirty requests that all have the same loss."""
    ids = [f"{of}{row}" for row in range(30)]
    client = [f"{of}{row % clients}" for row in range(30)]
    return pd.DataFrame(
        {"request_id": ids, "client": client, "prediction": "yes", "score": 0.9, "loss": loss}
    )


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (alike(5), alike(5, of="b"), "cannot tell how sure that is: every loss is the same"),
        (alike(5), alike(5), "cannot tell how sure that is: every loss is the same"),
        (alike(5), alike(1, of="b"), "are of one client, and 2 are needed"),
        (alike(5), alike(5, loss=np.nan, of="b"), "bbbbbbbbbbbb has no labelled rows"),
    ],
    ids=["no error in two groups", "no error in a shadow", "one client", "no label"],
)
def test_where_nothing_is_known_of_the_spread_it_cannot_tell(
    first: pd.DataFrame, second: pd.DataFrame, expected: str
):
    """Print neither an interval of 0 to 0 nor nan."""
    found = compare_rows(first, second, releases=(OLD, NEW), regression=False)
    assert np.isnan(found.low)
    assert np.isnan(found.high)
    words = in_words(found)
    assert expected in words
    assert "nan" not in words


def test_a_shadow_needs_fewer_requests():
    """Subtract each request's two losses: what is hard for both tells nothing of either."""
    first, _ = ab(np.random.default_rng(1), alike=0.0)
    second = first.assign(loss=first["loss"].where(np.arange(len(first)) % 50 != 0, 0.0))
    pairs = compare_rows(first, second, releases=(OLD, NEW), regression=False)
    apart = compare_rows(
        first,
        second.assign(request_id="x" + second["request_id"]),
        releases=(OLD, NEW),
        regression=False,
    )
    assert (pairs.by, apart.by) == ("pairs", "clients")
    assert pairs.difference == pytest.approx(apart.difference)
    assert pairs.high - pairs.low < (apart.high - apart.low) / 3
    assert pairs.high < 0 < apart.high


def test_rows_of_one_request_are_one():
    """Count a list request without a client as one cluster."""
    rows = pd.DataFrame(
        {
            "request_id": ["a/0", "a/1", "b"],
            "client": None,
            "prediction": "yes",
            "score": 0.9,
            "loss": [0.0, 1.0, 1.0],
        }
    )
    others = rows.assign(request_id=["c/0", "c/1", "d"])
    assert compare_rows(rows, others, releases=(OLD, NEW), regression=False).groups[0].clusters == 2
