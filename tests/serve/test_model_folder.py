"""Write a model folder with its engine, and refuse one that was altered."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.linear_model import LogisticRegression
from support.fitted_models import CLASSES, INPUTS, contract, fit, frame, table

from titlebout.packaging.model_folder import write_model
from titlebout.packaging.onnx_conversion import choose_engine, parity_difference
from titlebout.scoring.columns import encode
from titlebout.scoring.predictor import load_pipeline, load_predictor, pipeline_scores
from titlebout.serve.mlflow_pyfunc import _load_pyfunc
from titlebout.spec import (
    CONTRACT_FILE,
    ONNX_FILE,
    SKOPS_FILE,
    Contract,
    DataError,
    IntegrityError,
    SpecError,
    Task,
    digest_of_folder,
)

STRANGE = {
    "distance": [None, 1e30, -5.5, 800],
    "seat count": [1, None, 0, 1],
    "holiday": [None, True, False, None],
    "carrier": ["never seen", None, "", "UA"],
    "origin": ["É \u4e2d", "JFK", None, "jfk"],
    "departs": [None, "1969-12-31", "2113-07-04T23:59:59+09:00", "20130704"],
}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_onnx_predicts_as_scikit_learn(tmp_path: Path, task: Task, kind: str) -> None:
    """ONNX predicts as scikit-learn on new rows of every task.

    The rows have unknown categories and missing values; shapes are as `Predictor` says.
    """
    pipeline = fit(task, kind)
    written = write_model(
        tmp_path, pipeline=pipeline, contract=contract(task), sample=frame(table(seed=1))
    )
    assert written.engine.name == "onnx"
    predictor = load_predictor(tmp_path, digest=digest_of_folder(tmp_path))
    for columns in (table(seed=2), STRANGE):
        found = predictor.scores(encode(INPUTS, columns))
        expected = pipeline_scores(written, pipeline, frame(columns))
        assert found.shape == (
            (len(columns["carrier"]), len(CLASSES[task]))
            if task == "multiclass"
            else (len(columns["carrier"]),)
        )
        assert parity_difference(written, found, expected) <= 1e-5


def test_a_wrong_graph_is_not_served() -> None:
    """A graph of another model fails parity: scikit-learn serves, and the reason says why."""
    trees, linear = fit("binary"), fit("binary", "linear")
    X = frame(table(seed=1))
    engine, graph = choose_engine(
        trees, contract("binary"), X=X, expected=pipeline_scores(contract("binary"), linear, X)
    )
    assert (engine.name, graph) == ("sklearn", None)
    assert engine.largest_difference is not None
    assert engine.largest_difference > 0.01
    assert "differs" in engine.reason


def test_what_the_converter_does_not_know_is_served_by_scikit_learn(tmp_path: Path) -> None:
    """A LightGBM model, which has no converter here, is served by scikit-learn.

    The folder has no graph, the reason says so, and the predictions are the pipeline's own.
    """
    pipeline = fit("binary", estimator=LGBMClassifier(n_estimators=5, verbose=-1))
    written = write_model(
        tmp_path, pipeline=pipeline, contract=contract("binary"), sample=frame(table())
    )
    assert written.engine.name == "sklearn"
    assert "cannot convert" in written.engine.reason
    assert not (tmp_path / ONNX_FILE).exists()
    predictor = load_predictor(tmp_path, digest=digest_of_folder(tmp_path))
    np.testing.assert_array_equal(
        predictor.scores(encode(INPUTS, STRANGE)), pipeline.predict_proba(frame(STRANGE))[:, 1]
    )


@pytest.mark.parametrize("name", [SKOPS_FILE, ONNX_FILE, CONTRACT_FILE])
def test_an_altered_folder_is_refused(tmp_path: Path, name: str) -> None:
    """One more byte in any file, and neither predictor nor pipeline is loaded."""
    write_model(
        tmp_path, pipeline=fit("binary"), contract=contract("binary"), sample=frame(table())
    )
    digest = digest_of_folder(tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    for load in (load_predictor, load_pipeline):
        with pytest.raises(IntegrityError, match="altered"):
            load(tmp_path, digest=digest)


def test_the_pipeline_comes_back(tmp_path: Path) -> None:
    """The loaded Pipeline predicts as the fitted one."""
    pipeline = fit("multiclass")
    write_model(tmp_path, pipeline=pipeline, contract=contract("multiclass"), sample=frame(table()))
    again = load_pipeline(tmp_path, digest=digest_of_folder(tmp_path))
    np.testing.assert_array_equal(
        again.predict_proba(frame(STRANGE)), pipeline.predict_proba(frame(STRANGE))
    )


WRITE = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from support.fitted_models import contract, fit, frame, table
from titlebout.serve.mlflow_pyfunc import _load_pyfunc
from titlebout.packaging.model_folder import write_model
sample = frame(table())
write_model(Path(sys.argv[1]), pipeline=fit("binary"), contract=contract("binary"), sample=sample)
"""


def test_the_same_fit_has_the_same_digest(model: Path, tmp_path: Path) -> None:
    """The same fit has the same digest, and another fit has another.

    It is written here and in a process with another hash seed, other addresses and other threads.
    """
    command = [sys.executable, "-c", WRITE, str(tmp_path / "again"), str(Path(__file__).parents[1])]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "3"})
    assert digest_of_folder(tmp_path / "again") == digest_of_folder(model)
    write_model(
        tmp_path / "other",
        pipeline=fit("binary", "linear"),
        contract=contract("binary"),
        sample=frame(table()),
    )
    assert digest_of_folder(tmp_path / "other") != digest_of_folder(model)


def test_the_onnx_engine_imports_neither_scikit_learn_nor_pandas(tmp_path: Path) -> None:
    """A process that loads an ONNX model and predicts imports no heavy library."""
    write_model(
        tmp_path, pipeline=fit("binary"), contract=contract("binary"), sample=frame(table())
    )
    script = f"""
import sys
from pathlib import Path
from titlebout.scoring.columns import encode
from titlebout.scoring.predictor import load_predictor
predictor = load_predictor(Path({str(tmp_path)!r}), digest={digest_of_folder(tmp_path)!r})
columns = {{column.name: [column.example] for column in predictor.contract.inputs}}
assert predictor.scores(encode(predictor.contract.inputs, columns)).shape == (1,)
heavy = {{"sklearn", "pandas", "scipy", "skops", "skl2onnx", "onnx", "mlflow"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_contract_json_is_what_was_returned(tmp_path: Path) -> None:
    """The contract on disk is the one that was returned, with engine and trusted types."""
    written = write_model(
        tmp_path, pipeline=fit("binary"), contract=contract("binary"), sample=frame(table())
    )
    assert Contract.from_json(tmp_path / CONTRACT_FILE) == written
    assert all(name.startswith("sklearn.") for name in written.trusted_types)


def test_mlflow_loads_it_by_its_loader(model: Path, tmp_path: Path) -> None:
    """MLflow's loader predicts the table that the signature promises.

    It refuses a folder that is not what MLmodel names.
    """
    for digest, refused in ((digest_of_folder(model), False), ("0" * 64, True)):
        folder = tmp_path / digest
        shutil.copytree(model, folder / "model")
        (folder / "MLmodel").write_text(f"metadata: {{model_digest: '{digest}'}}")
        if refused:
            with pytest.raises(IntegrityError):
                _load_pyfunc(str(folder / "model"))
        else:
            predicted = _load_pyfunc(str(folder / "model")).predict(pd.DataFrame(table(20)))
            assert list(predicted) == ["prediction", "score.late", "score.on time"]
            assert set(predicted["prediction"]) == {"late", "on time"}


class Unwritable(LogisticRegression):
    """Keep a function that no file can hold."""

    def fit(self, X, y):
        """Fit, and keep the function."""
        self.inner_ = lambda: 1
        return super().fit(X, y)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    """An unwritable estimator, uncoded classes and an empty sample each have an error."""
    with pytest.raises(SpecError, match="Unwritable"):
        write_model(
            tmp_path,
            pipeline=fit("binary", "linear", Unwritable()),
            contract=contract("binary"),
            sample=frame(table()),
        )
    with pytest.raises(SpecError, match=r"classes \[0, 1, 2\]"):
        write_model(
            tmp_path, pipeline=fit("multiclass"), contract=contract("binary"), sample=frame(table())
        )
    with pytest.raises(DataError, match="at least one row"):
        write_model(
            tmp_path,
            pipeline=fit("binary"),
            contract=contract("binary"),
            sample=frame(table()).iloc[:0],
        )
