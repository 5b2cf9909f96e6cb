"""Load a registered version as an MLflow model, as anyone with titlebout installed can."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.model_folders import CONTRACT

from titlebout.packaging.model_folder import write_model
from titlebout.registry import Registry
from titlebout.registry.connection import connection
from titlebout.scoring.columns import encode
from titlebout.spec import InputError, digest_of_folder, load_environment

ROWS = pd.DataFrame(
    {
        "distance": [200.0, 2500.0, 733.0, 1400.0, None, 300.0] * 10,
        "carrier": ["UA", "B6", None, "AA", "UA", "B6"] * 10,
        "holiday": [True, False, True, False, True, False] * 10,
        "departs": ["2013-07-04T08:00:00", "2013-01-10T19:00:00", "2013-03-01T06:00:00"] * 20,
    }
)


def as_model_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows' columns as a model gets them."""
    return pd.DataFrame(encode(CONTRACT.inputs, {name: rows[name].to_numpy() for name in rows}))


def fit_pipeline(X: pd.DataFrame):
    """Return a small fitted pipeline."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [name for name in X if name != "carrier"]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(X, np.arange(len(X)) % 2)


@pytest.fixture(scope="session")
def champion(releaser: Registry, tmp_path_factory: pytest.TempPathFactory):
    """Fit a model, register it as champion of `loadable`, and return it with its scores on ROWS."""
    X = as_model_columns(ROWS)
    pipeline = fit_pipeline(X)
    folder = tmp_path_factory.mktemp("fitted") / "model"
    contract = write_model(folder, pipeline=pipeline, contract=CONTRACT, sample=X)
    releaser.ensure_model("loadable")
    run = releaser.start_run("loadable", "train", {})
    version = releaser.register("loadable", run, folder, contract, {})
    releaser.set_alias("loadable", "champion", version)
    return version, pipeline.predict_proba(X)[:, 1]


@pytest.fixture
def as_data_scientist(mlflow_server: Path, monkeypatch: pytest.MonkeyPatch):
    """Set the variables by which a person reaches the server."""
    reader = connection(mlflow_server, load_environment(mlflow_server, "staging"), "data-scientist")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", reader.address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", reader.user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", reader.password)


@pytest.mark.usefixtures("champion", "as_data_scientist")
def test_the_champion_is_loaded_by_its_alias(champion):
    """Load `models:/…@champion`, and predict what the fitted pipeline predicts."""
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model("models:/loadable@champion")
    answers = model.predict(ROWS)
    assert (
        list(answers.columns)
        == ["prediction", "score.on time", "score.late"]
        == model.metadata.signature.outputs.input_names()
    )
    np.testing.assert_allclose(answers["score.late"], champion[1], atol=1e-5)


@pytest.mark.usefixtures("champion", "as_data_scientist")
def test_the_signature_lets_good_rows_in_and_names_bad_ones():
    """Predict good rows, and name a missing column or a wrong value.

    Good rows are the model's own example, unknown categories and whole numbers.
    """
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model("models:/loadable@champion")
    assert len(model.predict(model.input_example)) == 1
    assert len(model.predict(ROWS.head(2).assign(carrier="ZZ"))) == 2
    assert len(model.predict(ROWS.head(2).assign(distance=[200, 2500]))) == 2
    with pytest.raises(InputError, match=r"row 1, column 'distance'"):
        model.predict(ROWS.head(2).assign(distance=[200, "far"]))
    with pytest.raises(Exception, match="carrier"):
        model.predict(ROWS.drop(columns="carrier"))


@pytest.mark.usefixtures("champion", "as_data_scientist")
def test_pandas_own_words_for_values_are_read():
    """Read pandas' NA, NaT and categories as None and text.

    The signature requires no value, and MLflow lets all of them through.
    """
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model("models:/loadable@champion")
    plain = ROWS.head(6).assign(
        holiday=[True, None, True, None, True, None], departs=[*ROWS["departs"][:5], None]
    )
    odd = pd.DataFrame(
        {
            "distance": plain["distance"].astype("Float64"),
            "carrier": plain["carrier"].astype("category"),
            "holiday": plain["holiday"].astype("boolean"),
            "departs": [pd.Timestamp(value) if value else pd.NaT for value in plain["departs"]],
        }
    )
    assert not any(column.required for column in model.metadata.signature.inputs)
    expected = model.predict(plain)
    whole = plain.assign(
        distance=plain["distance"].astype("Int64"), departs=odd["departs"].dt.tz_localize("UTC")
    )
    for changed in (odd, whole, *(plain.assign(**{name: odd[name]}) for name in odd)):
        pd.testing.assert_frame_equal(model.predict(changed), expected)
    everything_missing = pd.DataFrame({name: pd.Series([None], dtype=object) for name in ROWS})
    assert model.predict(everything_missing)["prediction"].notna().all()


@pytest.mark.usefixtures("champion", "as_data_scientist")
def test_an_altered_champion_is_not_loaded(mlflow_server: Path, champion):
    """Check the digest also when a model is loaded without titlebout's registry."""
    import mlflow.pyfunc

    from titlebout.spec import IntegrityError

    stored = next(
        path
        for path in mlflow_server.rglob("artifacts/model/model.skops")
        if _run_of(path) == champion[0].run_id
    )
    content = stored.read_bytes()
    try:
        stored.write_bytes(content + b"\0")
        with pytest.raises(IntegrityError):
            mlflow.pyfunc.load_model("models:/loadable@champion")
    finally:
        stored.write_bytes(content)


@pytest.mark.usefixtures("as_data_scientist")
def test_the_pages_examples_run(
    releaser: Registry, mlflow_server: Path, champion, monkeypatch: pytest.MonkeyPatch
):
    """Run both examples of docs/registry.md, with the model and environment of these tests."""
    page = (Path(__file__).parents[2] / "docs" / "registry.md").read_text()
    examples = [block.split("```")[0] for block in page.split("```python\n")[1:]]
    assert len(examples) == 2
    monkeypatch.chdir(mlflow_server)
    for example in examples:
        exec(example.replace("flights", "loadable").replace('"prod"', '"staging"'), {})  # noqa: S102  the project's own page
    assert digest_of_folder(mlflow_server / "champion") == champion[0].digest


def _run_of(stored: Path) -> str:
    import yaml

    return str(yaml.safe_load((stored.parent.parent / "MLmodel").read_text())["run_id"])
