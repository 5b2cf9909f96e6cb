"""Run the Bento as a real process: what it answers, writes and imports."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.dataset as ds
import pytest
from support.bento_process import Senders, Server, free_port, serving, started
from support.fitted_models import EXAMPLE, frame, table

from titlebout.packaging.bento import serve_environment
from titlebout.spec import Release

pytestmark = pytest.mark.slow
ROW = json.dumps(EXAMPLE).encode()


@pytest.fixture(scope="module")
def server(
    bento: Path, release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Serve the Bento for all tests of this file."""
    with serving(bento, release, tmp_path_factory.mktemp("serving") / "slot") as server:
        yield server


def test_the_seven_calls(server: Server) -> None:
    """The process answers seven kinds of calls.

    A correct row, a wrong column, a missing value, an unknown category, an empty list, 10,000 rows,
    and bytes that are no JSON.
    """
    assert server.ask("POST", "/predict", ROW)[0] == 200
    status, wrong = server.ask("POST", "/predict", json.dumps({**EXAMPLE, "carier": "UA"}).encode())
    assert (status, wrong["error"]["subject"]) == (422, "column 'carier'")
    for changed in ({"distance": None, "carrier": None}, {"carrier": "never seen"}):
        assert server.ask("POST", "/predict", json.dumps({**EXAMPLE, **changed}).encode())[0] == 200
    assert server.ask("POST", "/predict", b"[]")[0] == 422
    status, many = server.ask("POST", "/predict", json.dumps([EXAMPLE] * 10_000).encode())
    assert (status, len(many["predictions"])) == (200, 10_000)
    assert server.ask("POST", "/predict", b"\x00\xffno json")[0] == 400


def test_bentoml_answers_the_probes(server: Server) -> None:
    """Probes are answered; another method gets 405, as on the service's own paths."""
    for path in ("/livez", "/readyz", "/healthz"):
        assert server.ask("GET", path)[0] == 200
        assert server.ask("POST", path)[0] == 405


def test_served_as_scikit_learn_predicts(server: Server, model: Path) -> None:
    """From JSON to JSON, the probabilities are the fitted pipeline's."""
    from titlebout.scoring.predictor import load_pipeline
    from titlebout.spec import digest_of_folder

    columns = table(300, seed=5)
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    _, answer = server.ask("POST", "/predict", json.dumps(rows).encode())
    expected = load_pipeline(model, digest=digest_of_folder(model)).predict_proba(frame(columns))[
        :, 1
    ]
    assert [row["on time"] for row in answer["probabilities"]] == pytest.approx(
        expected.tolist(), abs=1e-5
    )


def test_one_process_without_scikit_learn_and_pandas(server: Server) -> None:
    """One process serves, and maps no library of scikit-learn, pandas or scipy."""
    process = psutil.Process(server.process.pid)
    mapped = {path.path for path in process.memory_maps()}
    assert process.children() == []
    assert any("onnxruntime" in path for path in mapped)
    assert not [
        path for path in mapped if "/sklearn/" in path or "/pandas/" in path or "/scipy/" in path
    ]


def test_nothing_is_written_into_the_home_folder(server: Server) -> None:
    """HOME holds what was put there, BentoML's own folder and the inference table alone.

    HOME is the slot's folder here.
    """
    home = server.inference.parent
    assert {path.name for path in home.iterdir()} - {"inference"} == {
        "release.json",
        "log",
        "bentoml",
    }


def test_sigterm_under_load_loses_nothing(bento: Path, release: Release, tmp_path: Path) -> None:
    """Every answered row is in the table once, and the process ends by itself."""
    with serving(bento, release, tmp_path / "slot") as server:
        senders = Senders(server, ROW, clients=4)
        while len(senders.answered) < 200:
            time.sleep(0.01)
        server.terminate()
        answered = senders.join()
        kept = (
            ds.dataset(server.inference, partitioning="hive")
            .to_table(columns=["request_id"])["request_id"]
            .to_pylist()
        )
        assert len(set(kept)) == len(kept)
        assert set(answered) <= set(kept)
        # answered, but the connection was gone: at most one per client
        assert len(kept) - len(answered) <= 4
        assert not list(server.inference.rglob("*.partial"))


def test_bentoml_serve_serves_it_too(bento: Path, release: Release, tmp_path: Path) -> None:
    """BentoML's own command serves the Bento with a supervisor, and stops without loss."""
    (tmp_path / "release.json").write_text(release.canonical_json())
    port, inference = free_port(), tmp_path / "inference"
    serve = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        str(bento),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    variables = serve_environment(
        release_file=tmp_path / "release.json", slot="blue", inference=inference
    )
    with started(serve, variables, port, tmp_path) as process:
        server = Server(process, port, inference)
        assert server.ask("POST", "/predict", ROW)[1]["release"] == release.id
        server.terminate()
    assert ds.dataset(inference).count_rows() == 1
