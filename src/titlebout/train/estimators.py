"""Build what `estimator:` in model.yaml names.

It is `linear`, `trees`, or the import path of a scikit-learn-compatible class.
"""

import difflib
import importlib.util
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout.spec import Candidate, ModelSpec, SpecError, Task, find_project, model_folder
from titlebout.train.preprocessing import Style, first_column, preprocessing

if TYPE_CHECKING:
    import pandas as pd

LINEAR, TREES, BASELINE = "linear", "trees", "baseline"
NEVER_SPLIT = 0.9  # share of the rows that each side of a split would have to hold
LOGISTIC_MAX_ITERATIONS = 1000  # scikit-learn's 100 stops early on wide one-hot columns
# The penalties and minimum row counts whose defaults in scikit-learn, XGBoost or LightGBM hinder
# learning, each at its weakest.
WEAKEST_REGULARISATION = {
    "C": 1e4,
    "alpha": 1e-4,
    "min_child_samples": 1,
    "min_samples_leaf": 1,
    "reg_alpha": 0.0,
    "reg_lambda": 0.0,
}


def build_pipeline(
    name: str, spec: ModelSpec, *, X: "pd.DataFrame", settings: Mapping[str, Any]
) -> Any:
    """Return preprocessing and estimator as one unfitted scikit-learn Pipeline.

    Raise SpecError if model.yaml is wrong.
    """
    candidate = spec.candidates[name]
    estimator = build_estimator(
        name, candidate, task=spec.task, metric=spec.metric, settings=settings, seed=spec.seed
    )
    return _pipeline(estimator, candidate, spec, X=X)


def weakest_pipeline(name: str, spec: ModelSpec, *, X: "pd.DataFrame") -> Any:
    """Return the candidate's pipeline with its class's defaults and the weakest regularisation.

    The chosen settings have no effect on it.
    """
    candidate = spec.candidates[name]
    bare = candidate.model_copy(update={"settings": {}, "search": {}})
    known = _class_of(name, candidate.estimator, spec.task)().get_params()
    weakest = {
        parameter: value
        for parameter, value in WEAKEST_REGULARISATION.items()
        if parameter in known
    }
    estimator = build_estimator(
        name, bare, task=spec.task, metric=spec.metric, settings=weakest, seed=spec.seed
    )
    return _pipeline(estimator, candidate, spec, X=X)


def _pipeline(estimator: Any, candidate: Candidate, spec: ModelSpec, *, X: "pd.DataFrame") -> Any:
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags

    tags = get_tags(estimator).input_tags
    style = _style(candidate, estimator, allow_nan=tags.allow_nan)
    prepare = preprocessing(X, task=spec.task, style=style, sparse=tags.sparse, seed=spec.seed)
    return Pipeline([("prepare", prepare), ("estimate", estimator)])


def _style(candidate: Candidate, estimator: Any, *, allow_nan: bool) -> Style:
    """Choose preprocessing that scikit-learn and ONNX compute alike.

    A scaled number is rounded differently, and so trees get unscaled ones. Of scikit-learn's trees
    only the histogram ones handle missing numbers in the same way after conversion.
    """
    is_histogram = type(estimator).__name__.startswith("HistGradientBoosting")
    holds_trees = "max_leaf_nodes" in estimator.get_params() or (
        allow_nan and type(estimator).__module__.startswith("sklearn.ensemble")
    )
    if holds_trees and not is_histogram:
        return "ordered"
    return "raw" if allow_nan and candidate.estimator != LINEAR else "scaled"


def baseline_pipeline(spec: ModelSpec, *, X: "pd.DataFrame") -> Any:
    """Return the trivial model, unfitted: class shares, or the constant that the metric prefers.

    A tree that may not split predicts exactly what scikit-learn's dummies do. Unlike them it
    converts to ONNX, so the gate, whose opponent it may be, loads it quickly. It is given one
    column, because it needs at least one.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if spec.task == "regression":
        # The leaf then holds the median, or the mean.
        criterion = "absolute_error" if spec.metric == "mae" else "squared_error"
        root = DecisionTreeRegressor(criterion=criterion, min_samples_leaf=NEVER_SPLIT)
    else:
        root = DecisionTreeClassifier(min_samples_leaf=NEVER_SPLIT)
    return Pipeline([("prepare", first_column(X)), ("estimate", root)])


def build_estimator(
    name: str,
    candidate: Candidate,
    *,
    task: Task,
    metric: str,
    settings: Mapping[str, Any],
    seed: int,
) -> Any:
    """Return the candidate's estimator with its settings, unfitted.

    Raise SpecError for a class or a setting that is unknown or does not fit the task.
    """
    estimator = _class_of(name, candidate.estimator, task)()
    check_settings(
        name, {**candidate.settings, **candidate.search, **settings}, known=estimator.get_params()
    )
    seeded = {"random_state": seed} if "random_state" in estimator.get_params() else {}
    return estimator.set_params(
        **{
            **_defaults(candidate.estimator, task, metric),
            **seeded,
            **candidate.settings,
            **settings,
        }
    )


def check_settings(name: str, settings: Iterable[str], *, known: Iterable[str]) -> None:
    """Raise SpecError if the estimator lacks a setting; name the candidate and the setting."""
    names = sorted(known)
    for setting in settings:
        if setting not in names:
            near = difflib.get_close_matches(setting, names, n=1)
            raise SpecError(
                f"candidate {name!r}, setting {setting!r}",
                expected=f"one of {', '.join(names)}",
                found="a setting that the estimator does not have",
                next_step=f"did you mean {near[0]!r}?" if near else "remove it",
            )


def requirements(candidate: Candidate) -> tuple[str, ...]:
    """Return the pinned distribution of the estimator's class.

    Return nothing if it is one of Titlebout's own dependencies.
    """
    top = candidate.estimator.partition(".")[0]
    if candidate.estimator in (LINEAR, TREES) or top == "sklearn":
        return ()
    names = metadata.packages_distributions().get(top, [])
    return tuple(f"{name}=={metadata.version(name)}" for name in names)


def _class_of(name: str, estimator: str, task: Task) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    built_in = {
        LINEAR: Ridge if task == "regression" else LogisticRegression,
        TREES: HistGradientBoostingRegressor
        if task == "regression"
        else HistGradientBoostingClassifier,
    }
    return built_in.get(estimator) or _imported(name, estimator, task)


def _defaults(estimator: str, task: Task, metric: str) -> dict[str, Any]:
    if estimator == LINEAR and task != "regression":
        return {"max_iter": LOGISTIC_MAX_ITERATIONS}
    if estimator != TREES:
        return {}
    # Early stopping would hold rows back at random, across time and groups. It would fail on a
    # class with one row.
    return {"early_stopping": False, **({"loss": "absolute_error"} if metric == "mae" else {})}


def _imported(name: str, path: str, task: Task) -> Any:
    module, _, attribute = path.rpartition(".")
    subject = f"candidate {name!r}"
    if not module:
        raise SpecError(
            subject,
            expected="`linear`, `trees` or an import path",
            found=path,
            next_step="write package.module.Class",
        )
    top = module.partition(".")[0]
    _require_installed(subject, path, top)
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        next_step = (
            f"add {top} to `dependencies` in pyproject.toml and run `make lock install`, "
            "or correct the path"
        )
        raise SpecError(
            subject, expected=f"{path} to be importable", found=str(error), next_step=next_step
        ) from error
    except AttributeError as error:
        raise SpecError(
            subject,
            expected=f"a class {attribute} in {module}",
            found="none",
            next_step="correct the path",
        ) from error
    _check_kind(subject, path, kind, task)
    return kind


def _require_installed(subject: str, path: str, top: str) -> None:
    """Refuse a class of the models folder before any of it runs.

    This process may have the right to sign a verdict.
    """
    found = importlib.util.find_spec(top)  # of a top-level name: imports nothing
    locations = (
        [*(found.submodule_search_locations or ()), *((found.origin,) if found.origin else ())]
        if found
        else []
    )
    models = model_folder(find_project(), "").resolve()
    if inside := [path for path in locations if Path(path).resolve().is_relative_to(models)]:
        raise SpecError(
            subject,
            expected=f"{path} in an installed package",
            found=f"a module of the models folder ({inside[0]})",
            next_step="put it in a package of its own, and add that to `dependencies` "
            "in pyproject.toml; features.py reads data only",
        )


def _check_kind(subject: str, path: str, kind: Any, task: Task) -> None:
    from sklearn.base import is_classifier, is_regressor

    if not (
        isinstance(kind, type)
        and all(hasattr(kind, method) for method in ("fit", "predict", "get_params", "set_params"))
    ):
        raise SpecError(
            subject,
            expected="a scikit-learn-compatible class",
            found=path,
            next_step="name a class with fit and get_params",
        )
    instance = kind()
    if task == "regression" and not is_regressor(instance):
        raise SpecError(
            subject,
            expected="a regressor, as the task is regression",
            found=path,
            next_step="name a regressor",
        )
    if task != "regression" and not (
        is_classifier(instance) and hasattr(instance, "predict_proba")
    ):
        raise SpecError(
            subject,
            expected=f"a classifier with predict_proba, as the task is {task}",
            found=path,
            next_step="name such a classifier",
        )
