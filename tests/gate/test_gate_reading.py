"""A holdout that was read otherwise than a model reads, as served, is no ground to compare on."""

import pandas as pd
import pytest
from support.gate_project import build, contract

from titlebout.data import Frame, features, load_part
from titlebout.gate.compared_model import ComparedModel
from titlebout.scoring.predictor import load_predictor
from titlebout.spec import CODE, TEXT, Column, DataError, Input, digest_of_folder


@pytest.fixture(scope="module")
def holdout(tmp_path_factory) -> tuple[ComparedModel, Frame]:
    arena = build(tmp_path_factory.mktemp("reading"))
    predictor = load_predictor(
        arena.models["strong"], digest=digest_of_folder(arena.models["strong"])
    )
    return ComparedModel("Champion", predictor), load_part(arena.storage, arena.dataset, "holdout")


def with_dataset(frame: Frame, **changed: object) -> Frame:
    return Frame(frame.dataset.model_copy(update=changed), frame.frame, frame.hashes)


def test_a_word_that_the_model_would_have_seen_is_named(holdout: tuple[ComparedModel, Frame]):
    """The dataset lost `?` as missing; the Champion, as served, takes it for a category."""
    champion, frame = holdout
    assert len(champion.scores(frame)) == len(frame.frame)
    assert len(champion.scores(with_dataset(frame, missing=("NA",)))) == len(frame.frame)
    with pytest.raises(DataError, match=r"the Champion's reading.*'\?' as missing.*override"):
        champion.scores(with_dataset(frame, missing=("?", "NA")))


def test_codes_and_texts_do_not_meet(
    holdout: tuple[ComparedModel, Frame], monkeypatch: pytest.MonkeyPatch
):
    """1.0 is 1 to the one and 1.0 to the other."""
    champion, frame = holdout
    column = Input(name="x", type="category", format=TEXT)
    monkeypatch.setattr(
        champion.predictor,
        "contract",
        contract().model_copy(update={"inputs": (column, *contract().inputs[1:])}),
    )
    columns = {**frame.dataset.columns, "x": Column(type="category", format=CODE)}
    with pytest.raises(DataError, match="column 'x' as code, not text"):
        champion.scores(with_dataset(frame, columns=columns))


def test_the_models_own_missing_words_count():
    """Namibia is a category of the dataset, and missing to an older model, as it would be over HTTP."""
    frame = pd.DataFrame({"c": ["NA", "DE"]})
    columns = {"c": Column(type="category", format=TEXT)}
    assert features(frame, columns)["c"].tolist() == ["NA", "DE"]
    assert features(frame, columns, missing=("NA",))["c"].tolist() == ["", "DE"]
