"""Refuse numbers that the contract allows and that overflow in the model's arithmetic."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asgi_client import call
from support.fitted_models import EXAMPLE, INPUTS, contract, fit, frame, table

from titlebout.packaging.model_folder import write_model
from titlebout.scoring.columns import encode
from titlebout.scoring.finite_scores import finite_scores
from titlebout.scoring.predictor import Predictor, SklearnPredictor, load_predictor
from titlebout.serve.app import Service
from titlebout.serve.server_settings import ServerSettings
from titlebout.spec import InputError, Release, Task, digest_of_folder

HUGE = 3e38


def write_linear_model(task: Task, folder: Path) -> Path:
    """Write a linear model, whose values grow with the numbers beyond what float32 holds."""
    write_model(
        folder, pipeline=fit(task, "linear"), contract=contract(task), sample=frame(table())
    )
    return folder


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Predictor]:
    """Load the same linear regression by both engines."""
    folder = write_linear_model("regression", tmp_path_factory.mktemp("linear") / "model")
    onnx = load_predictor(folder, digest=digest_of_folder(folder))
    assert onnx.contract.engine.name == "onnx"
    return {"onnx": onnx, "sklearn": SklearnPredictor(onnx.contract, fit("regression", "linear"))}


@pytest.fixture(scope="module")
def service(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve the linear regression."""
    work = tmp_path_factory.mktemp("service")
    folder = write_linear_model("regression", work / "model")
    changed = release.model_copy(
        update={"model_digest": digest_of_folder(folder), "threshold": None}
    )
    service = Service(folder, ServerSettings(changed, "blue", str(work / "inference")))
    yield service
    service.close()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("rows", [1, 3, 2_000])
@pytest.mark.parametrize("name", ["distance", "seat count"])
def test_the_column_that_overflows_is_named_with_its_limit(
    service: Service, name: str, rows: int, sign: int
) -> None:
    """Refuse the overflowing column with 422 and a limit; a number within it is predicted."""
    row = {**EXAMPLE, name: sign * HUGE}
    answer = call(service, "POST", "/predict", row if rows == 1 else [*[EXAMPLE] * (rows - 1), row])
    where = "" if rows == 1 else f"row {rows - 1}, "
    assert (answer.status, answer.json["error"]["subject"]) == (422, f"{where}column {name!r}")
    limit = float(answer.json["error"]["expected"].split(" at most ")[1].split(" ")[0])
    assert 1e30 < limit < HUGE
    fine = call(service, "POST", "/predict", {**EXAMPLE, name: sign * limit})
    assert fine.status == 200
    assert math.isfinite(fine.json["prediction"])


def test_numbers_that_overflow_together_are_refused(service: Service) -> None:
    """Name the larger of two numbers that each overflow."""
    answer = call(service, "POST", "/predict", {**EXAMPLE, "distance": 2e38, "seat count": -HUGE})
    assert (answer.status, answer.json["error"]["subject"]) == (422, "column 'seat count'")


@pytest.mark.parametrize("engine", ["onnx", "sklearn"])
@settings(max_examples=150, deadline=None)
@given(
    distance=st.floats(width=32, allow_nan=False, allow_infinity=False),
    seats=st.floats(width=32, allow_nan=False, allow_infinity=False),
)
def test_every_number_has_a_finite_prediction_or_a_refusal(
    predictors: dict[str, Predictor], engine: str, distance: float, seats: float
) -> None:
    """Predict or refuse any number that the contract allows, by either engine."""
    columns = {
        name: [value]
        for name, value in {**EXAMPLE, "distance": distance, "seat count": seats}.items()
    }
    encoded = encode(INPUTS, columns)
    try:
        scores = finite_scores(predictors[engine], INPUTS, encoded, columns)
    except InputError as error:
        named = error.subject
    else:
        named = "" if np.isfinite(scores).all() else "a wrong answer"
    assert named in ("", "column 'distance'", "column 'seat count'")


def test_trees_take_any_number(model: Path, release: Release, tmp_path: Path) -> None:
    """Trees compare and do not compute, so they refuse no number."""
    service = Service(model, ServerSettings(release, "blue", str(tmp_path)))
    assert (
        call(service, "POST", "/predict", {**EXAMPLE, "distance": HUGE, "seat count": -HUGE}).status
        == 200
    )
    service.close()


class RefusingPredictor(Predictor):
    """Refuse some rows, as scikit-learn's estimators do, and give NaN for others."""

    def scores(self, encoded):
        """Return the scores."""
        if (encoded["distance"] == 13).any():
            raise ValueError("13 is not welcome")
        return np.where(encoded["holiday"] == 1, np.nan, 1.0)


@pytest.mark.parametrize("rows", [1, 2, 7, 1_000])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"distance": 13.0}, "13 is not welcome"),
        ({"holiday": True, "distance": 0.0, "seat count": 0}, "no number"),
    ],
)
def test_a_row_without_a_prediction_is_named(rows: int, value: dict, words: str) -> None:
    """Name the row without a prediction, also where no number is the cause."""
    sent = [EXAMPLE] * (rows - 1) + [{**EXAMPLE, **value}]
    columns = {name: [row[name] for row in sent] for name in EXAMPLE}
    with pytest.raises(InputError, match=words) as refused:
        finite_scores(
            RefusingPredictor(contract("regression")), INPUTS, encode(INPUTS, columns), columns
        )
    assert refused.value.subject == ("the row" if rows == 1 else f"row {rows - 1}")
    json.dumps(refused.value.found)
