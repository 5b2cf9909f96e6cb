"""Test that training, gate, batch scoring and server read a row in the same way."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.asgi_client import call
from support.generated_rows import MISSING, WRITERS, WrittenCell, generated_rows
from support.project_tables import make_project, spec_of

from titlebout.batch.score_rows import predict_rows
from titlebout.data import load_part, normalize_table, prepare, read_arrow
from titlebout.gate.compared_model import ComparedModel
from titlebout.packaging.model_folder import write_model
from titlebout.scoring.predictor import load_predictor, pipeline_scores
from titlebout.serve.app import Service
from titlebout.serve.server_settings import ServerSettings
from titlebout.spec import (
    CONTRACT_FILE,
    ONNX_FILE,
    PART_NAMES,
    Engine,
    Release,
    digest_of_folder,
    load_environment,
)
from titlebout.storage import open_storage
from titlebout.train.estimators import build_pipeline
from titlebout.train.make_contract import make_contract

ROWS = 10_000
KEY = "row"  # a number of its own for each row: the parts of a dataset lose the source's order


class Trained(NamedTuple):
    """Hold a model with the `scores` that the gate computes, by row.

    `own` holds the scores of the fitted pipeline itself.
    """

    service: Service
    predictor: Any
    rows: list[dict[str, WrittenCell]]
    scores: np.ndarray
    own: np.ndarray


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("same-row")
    rows = generated_rows(ROWS, seed=11)
    project = make_project(folder / "project")
    spec = spec_of(
        {KEY: "number", **{name: kind for name, (kind, _) in WRITERS.items()}},
        missing=MISSING,
        candidates={"trees": {"estimator": "trees"}},
    )
    path = project / "models" / "tried" / "table.csv"
    write_csv(
        path,
        list(enumerate(rows)),
        [*WRITERS],
        target=np.random.default_rng(2).choice(["yes", "no"], ROWS),
    )
    environment = load_environment(project, "dev")
    dataset = prepare(project, spec, environment, as_of=None)
    storage = open_storage(project, environment.storage)
    parts = [load_part(storage, dataset, name) for name in PART_NAMES]
    pipeline = build_pipeline("trees", spec, X=parts[0].X, settings={"max_iter": 10}).fit(
        parts[0].X, parts[0].y
    )
    contract = make_contract("trees", spec, dataset, frame=parts[0].frame, threshold=0.5)
    write_model(folder / "model", pipeline=pipeline, contract=contract, sample=parts[0].X[:10])
    # scikit-learn computes: what another engine's arithmetic differs by is another test's
    (folder / "model" / ONNX_FILE).unlink(missing_ok=True)
    contract = contract.from_json(folder / "model" / CONTRACT_FILE).model_copy(
        update={"engine": Engine(name="sklearn", reason="tests")}
    )
    (folder / "model" / CONTRACT_FILE).write_text(contract.canonical_json())
    digest = digest_of_folder(folder / "model")
    predictor = load_predictor(folder / "model", digest=digest)
    compared = ComparedModel("Challenger", predictor)
    scores, own = np.full(ROWS, np.nan), np.full(ROWS, np.nan)
    for part in parts:
        numbers = part.frame[KEY].to_numpy().astype(int)
        scores[numbers] = compared.scores(part, dataset)
        own[numbers] = pipeline_scores(contract, pipeline, part.X)
    others = dict.fromkeys(
        ("package_digest", "data_digest", "code_version", "configuration_digest", "verdict"), "x"
    )
    release = Release(model="tried", model_digest=digest, threshold=0.5, **others)
    service = Service(folder / "model", ServerSettings(release, "blue", str(folder / "inference")))
    yield Trained(service, predictor, rows, scores, own)
    service.close()


def write_csv(
    path: Path,
    rows: list[tuple[int, dict[str, WrittenCell]]],
    order: list[str],
    *,
    target: Any = None,
) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*order, KEY, *([] if target is None else ["y"])])
        for number, row in rows:
            writer.writerow(
                [
                    *(row[name].csv for name in order),
                    number,
                    *([] if target is None else [target[number]]),
                ]
            )


def write_json_lines(
    path: Path, rows: list[tuple[int, dict[str, WrittenCell]]], order: list[str]
) -> None:
    lines = [
        json.dumps({KEY: number, **{name: row[name].json for name in order}}, ensure_ascii=False)
        for number, row in rows
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_parquet(
    path: Path, rows: list[tuple[int, dict[str, WrittenCell]]], order: list[str]
) -> None:
    columns = {name: pa.array([row[name].typed for _, row in rows]) for name in order}
    pq.write_table(pa.table({**columns, KEY: [number for number, _ in rows]}), path)


WRITE_FILE = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}


def positive(answers: dict[str, pa.Array]) -> np.ndarray:
    assert answers["refused"].null_count == len(answers["refused"]), answers["refused"].drop_null()[
        :3
    ]
    return answers["score.yes"].to_numpy(zero_copy_only=False)


def row_groups(random: np.random.Generator, sizes: list[int]) -> Iterator[list[int]]:
    """Yield all rows, shuffled, in groups of the sizes."""
    shuffled = random.permutation(ROWS).tolist()
    while shuffled:
        size = sizes[random.integers(len(sizes))]
        yield shuffled[:size]
        shuffled = shuffled[size:]


@pytest.mark.parametrize("ending", list(WRITE_FILE))
def test_a_row_of_any_file_is_scored_as_in_the_gate(tmp_path: Path, trained: Trained, ending: str):
    """Score 10,000 rows as the gate does, from files of 1 to 2,000 rows in any column order."""
    np.testing.assert_array_equal(trained.scores, trained.own)
    random = np.random.default_rng(5)
    alone = [[number] for number in random.choice(ROWS, 30).tolist()]
    for numbers in [*alone, *row_groups(random, [1, 40, 700, 2000])]:
        path = tmp_path / f"t.{ending}"
        order = random.permutation(list(WRITERS)).tolist()
        WRITE_FILE[ending](path, [(number, trained.rows[number]) for number in numbers], order)
        table = normalize_table(read_arrow(path), missing=trained.predictor.contract.missing)
        found = positive(predict_rows(trained.predictor, table, threshold=0.5))
        np.testing.assert_allclose(found, trained.scores[numbers], atol=1e-7, rtol=0)


def test_a_row_over_http_is_scored_as_in_the_gate(trained: Trained):
    """Score the same rows as the gate does, alone and in lists of 1 to 2,000."""
    random = np.random.default_rng(6)
    for number in random.choice(ROWS, 30).tolist():
        row = {KEY: number, **{name: cell.http for name, cell in trained.rows[number].items()}}
        answer = call(trained.service, "POST", "/predict", row)
        assert answer.status == 200, answer.json
        assert answer.json["probabilities"]["yes"] == pytest.approx(
            trained.scores[number], abs=1e-7
        )
    for numbers in row_groups(random, [1, 40, 700, 2000]):
        rows = [
            {KEY: number, **{name: cell.http for name, cell in trained.rows[number].items()}}
            for number in numbers
        ]
        answer = call(trained.service, "POST", "/predict", rows)
        assert answer.status == 200, answer.json
        found = [share["yes"] for share in answer.json["probabilities"]]
        np.testing.assert_allclose(found, trained.scores[numbers], atol=1e-7, rtol=0)
