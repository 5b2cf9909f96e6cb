"""Refuse to compare models on a holdout that was read in another way than a served model reads."""

import pandas as pd
import pytest
from support.gate_project import build_gate_project, contract

from titlebout.data import PartRows, features, load_part
from titlebout.gate.compared_model import ComparedModel
from titlebout.scoring.predictor import load_predictor
from titlebout.spec import CODE, TEXT, Column, DataError, Dataset, Input, digest_of_folder


@pytest.fixture(scope="module")
def holdout(tmp_path_factory) -> tuple[ComparedModel, PartRows, Dataset]:
    project = build_gate_project(tmp_path_factory.mktemp("reading"))
    folder = project.models["strong"]
    predictor = load_predictor(folder, digest=digest_of_folder(folder))
    rows = load_part(project.storage, project.dataset, "holdout")
    return ComparedModel("Champion", predictor), rows, project.dataset


def test_a_word_that_the_model_would_have_seen_is_named(
    holdout: tuple[ComparedModel, PartRows, Dataset],
):
    """Name `?` if the dataset read it as missing and the served Champion reads a category."""
    champion, rows, dataset = holdout
    assert len(champion.scores(rows, dataset)) == len(rows.y)
    fewer = dataset.model_copy(update={"missing": ("NA",)})
    assert len(champion.scores(rows, fewer)) == len(rows.y)
    more = dataset.model_copy(update={"missing": ("?", "NA")})
    with pytest.raises(DataError, match=r"the Champion's reading.*'\?' as missing.*override"):
        champion.scores(rows, more)


def test_codes_and_texts_are_not_compared(
    holdout: tuple[ComparedModel, PartRows, Dataset], monkeypatch: pytest.MonkeyPatch
):
    """Refuse a column that the dataset reads as a code, 1, and the model as a text, 1.0."""
    champion, rows, dataset = holdout
    column = Input(name="x", type="category", format=TEXT)
    monkeypatch.setattr(
        champion.predictor,
        "contract",
        contract().model_copy(update={"inputs": (column, *contract().inputs[1:])}),
    )
    columns = {**dataset.columns, "x": Column(type="category", format=CODE)}
    with pytest.raises(DataError, match="column 'x' as code, not text"):
        champion.scores(rows, dataset.model_copy(update={"columns": columns}))


def test_the_models_own_missing_words_count():
    """Read NA as missing for an older model, although the dataset reads the category Namibia."""
    frame = pd.DataFrame({"c": ["NA", "DE"]})
    columns = {"c": Column(type="category", format=TEXT)}
    assert features(frame, columns)["c"].tolist() == ["NA", "DE"]
    assert features(frame, columns, missing=("NA",))["c"].tolist() == ["", "DE"]
