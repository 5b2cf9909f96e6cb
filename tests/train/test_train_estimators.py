"""Accept or refuse what model.yaml names as an estimator and as its settings."""

import pytest
from support.real_tables import rows_of, spec_of

from titlebout.spec import SpecError
from titlebout.train.estimators import build_pipeline, requirements


def build(task: str, **candidate):
    spec = spec_of(task, {"tried": candidate})
    return build_pipeline("tried", spec, X=rows_of(task).X, settings={})


def test_an_unknown_setting_is_named_with_its_candidate():
    """Name the candidate, the setting and the likely meaning if `settings` has a typing error."""
    with pytest.raises(
        SpecError, match=r"candidate 'tried', setting 'max_itre'.*did you mean 'max_iter'"
    ):
        build("binary", estimator="trees", settings={"max_itre": 5})


def test_an_unknown_searched_setting_is_named():
    """Refuse an unknown name in `search` as in `settings`, also where nothing is searched."""
    with pytest.raises(SpecError, match="setting 'depth'"):
        build("binary", estimator="trees", search={"depth": {"low": 1, "high": 3}})


@pytest.mark.parametrize(
    "path", ["models.own.features.Forest", "own.features.Forest", "features.Forest"]
)
def test_a_class_of_the_models_folder_is_refused_before_it_is_imported(tmp_path, monkeypatch, path):
    """Refuse a data team's own code wherever Python finds it, as training may sign a verdict."""
    folder = tmp_path / "models" / "own"
    folder.mkdir(parents=True)
    (folder / "features.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setenv("TITLEBOUT_PROJECT", str(tmp_path))
    for import_path in (folder, folder.parent, tmp_path):
        monkeypatch.syspath_prepend(str(import_path))
    with pytest.raises(SpecError, match="found a module of the models folder"):
        build("binary", estimator=path)
    assert not (tmp_path / "ran").exists()


def test_a_library_that_is_not_installed_says_how_to_install_it():
    """Say where to add a package that is not installed."""
    with pytest.raises(SpecError, match="add notinstalled to `dependencies`"):
        build("binary", estimator="notinstalled.Forest")


@pytest.mark.parametrize(
    ("task", "path", "message"),
    [
        ("binary", "lightgbm.NoSuchClass", "a class NoSuchClass"),
        ("binary", "forest", "an import path"),
        ("binary", "pathlib.Path", "scikit-learn-compatible"),
        ("binary", "sklearn.svm.LinearSVC", "predict_proba"),
        ("binary", "lightgbm.LGBMRegressor", "predict_proba"),
        ("regression", "lightgbm.LGBMClassifier", "a regressor"),
    ],
)
def test_a_class_that_cannot_serve_the_task_is_refused(task, path, message):
    """Say for each wrong import path what was expected instead."""
    with pytest.raises(SpecError, match=message):
        build(task, estimator=path)


def test_every_estimator_with_a_seed_gets_the_models_seed():
    """Give the estimator the model's seed, unless model.yaml sets another one."""
    assert build("binary", estimator="trees")[-1].random_state == 0
    forest, settings = "sklearn.ensemble.RandomForestClassifier", {"random_state": 5}
    assert build("binary", estimator=forest, settings=settings)[-1].random_state == 5


def test_a_third_party_estimator_names_what_must_be_installed_with_it():
    """Pin the package of a third-party class, and nothing for the built-in ones."""
    candidates = spec_of(
        "binary", {"a": {"estimator": "lightgbm.LGBMClassifier"}, "b": {"estimator": "trees"}}
    ).candidates
    assert requirements(candidates["a"])[0].startswith("lightgbm==")
    assert requirements(candidates["b"]) == ()


@pytest.mark.parametrize(
    "estimator", ["sklearn.naive_bayes.GaussianNB", "sklearn.neighbors.KNeighborsClassifier"]
)
def test_an_estimator_that_takes_no_missing_values_gets_none(estimator):
    """Impute and make dense what the estimator's tags demand."""
    rows = rows_of("binary")
    rows.X.loc[::7, "x1"] = float("nan")
    pipeline = build("binary", estimator=estimator).fit(rows.X, rows.y)
    assert pipeline.predict_proba(rows.X).shape == (len(rows.y), 2)
