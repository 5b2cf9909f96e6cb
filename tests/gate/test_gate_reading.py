"""A holdout that was read otherwise than a model reads, as served, is no ground to compare on."""

import pandas as pd
import pytest
from support.gate_project import build, contract

from titlebout.data import PartRows, features, load_part
from titlebout.gate.compared_model import ComparedModel
from titlebout.scoring.predictor import load_predictor
from titlebout.spec import CODE, TEXT, Column, DataError, Dataset, Input, digest_of_folder


@pytest.fixture(scope="module")
def holdout(tmp_path_factory) -> tuple[ComparedModel, PartRows, Dataset]:
    arena = build(tmp_path_factory.mktemp("reading"))
    predictor = load_predictor(
        arena.models["strong"], digest=digest_of_folder(arena.models["strong"])
    )
    rows = load_part(arena.storage, arena.dataset, "holdout")
    return ComparedModel("Champion", predictor), rows, arena.dataset


def test_a_word_that_the_model_would_have_seen_is_named(
    holdout: tuple[ComparedModel, PartRows, Dataset],
):
    """The dataset lost `?` as missing; the Champion, as served, takes it for a category."""
    champion, rows, dataset = holdout
    assert len(champion.scores(rows, dataset)) == len(rows.y)
    fewer = dataset.model_copy(update={"missing": ("NA",)})
    assert len(champion.scores(rows, fewer)) == len(rows.y)
    more = dataset.model_copy(update={"missing": ("?", "NA")})
    with pytest.raises(DataError, match=r"the Champion's reading.*'\?' as missing.*override"):
        champion.scores(rows, more)


def test_codes_and_texts_do_not_meet(
    holdout: tuple[ComparedModel, PartRows, Dataset], monkeypatch: pytest.MonkeyPatch
):
    """1.0 is 1 to the one and 1.0 to the other."""
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
    """Namibia is a category of the dataset, and missing to an older model, as it would be over HTTP."""
    frame = pd.DataFrame({"c": ["NA", "DE"]})
    columns = {"c": Column(type="category", format=TEXT)}
    assert features(frame, columns)["c"].tolist() == ["NA", "DE"]
    assert features(frame, columns, missing=("NA",))["c"].tolist() == ["", "DE"]
