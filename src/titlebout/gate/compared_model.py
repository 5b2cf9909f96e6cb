"""Fetch, verify and score on the holdout one of the two models that the gate compares."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.data import (
    PartRows,
    contract_columns,
    count_seen,
    features,
    load_dataset,
    load_seen,
    prove_disjoint,
)
from titlebout.registry import Registry, Version
from titlebout.scoring import Decision, Predictor, load_predictor, predictor_columns
from titlebout.spec import CODE, TEXT, Contract, DataError, Dataset, IntegrityError
from titlebout.storage import Storage

BASELINE_FOLDER = "baseline"  # among the artifacts of the Challenger's run
OVERRIDE_NEEDED = (
    "the first model with other columns, classes or readings needs a named person's override"
)


class ComparedModel(NamedTuple):
    """Hold a model with its name as a person reads it: Challenger, Champion or Baseline."""

    name: str
    predictor: Predictor

    @property
    def contract(self) -> Contract:
        """Return the contract of the model's folder."""
        return self.predictor.contract

    def scores(self, holdout: PartRows, dataset: Dataset) -> NDArray[np.float64]:
        """Return the scores of the holdout.

        Raise DataError if a column of this model is missing, or was read in another way.
        """
        columns = contract_columns(self.contract)
        if absent := sorted(set(columns) - set(holdout.frame)):
            raise DataError(
                f"the {self.name}'s columns",
                expected=", ".join(columns),
                found=f"a dataset without {', '.join(absent)}",
                next_step=OVERRIDE_NEEDED,
            )
        _require_same_reading(self.name, self.contract, dataset)
        X = features(holdout.frame, columns, missing=self.contract.missing)
        return self.predictor.scores(predictor_columns(X))

    def predictions(self, scores: NDArray[np.float64]) -> list[str] | list[float]:
        """Return what a client is answered, by the threshold of the model's own contract."""
        return Decision(self.contract, self.contract.threshold).predictions(scores)


def _require_same_reading(name: str, contract: Contract, dataset: Dataset) -> None:
    """Raise DataError if the served model would read the holdout in another way."""
    lost = [repr(word) for word in dataset.missing if word not in contract.missing]
    codes = [
        f"column {column.name!r} as {dataset.columns[column.name].format}, not {column.format}"
        for column in contract.inputs
        if column.type == "category"
        and {dataset.columns[column.name].format, column.format} == {CODE, TEXT}
    ]
    if lost or codes:
        found = "; ".join([f"{', '.join(lost)} as missing"] * bool(lost) + codes)
        next_step = (
            f"declare `missing` and `format` in model.yaml as the {name} has them; "
            f"{OVERRIDE_NEEDED}"
        )
        raise DataError(
            f"the {name}'s reading",
            expected="the holdout's file read as this model reads",
            found=found,
            next_step=next_step,
        )


def from_version(registry: Registry, version: Version, *, name: str, work: Path) -> ComparedModel:
    """Return the model of a registered version, downloaded below the folder `work`."""
    return _loaded(registry.download(version, work / name), digest=version.digest, name=name)


def from_run(registry: Registry, run_id: str, *, digest: str, work: Path) -> ComparedModel:
    """Return the baseline of the Challenger's own training, downloaded below the folder `work`."""
    return _loaded(
        registry.download_artifact(run_id, BASELINE_FOLDER, work), digest=digest, name="Baseline"
    )


def require_unseen(storage: Storage, dataset: Dataset, version: Version) -> None:
    """Raise DataError unless no holdout row is among those of training and choosing."""
    trained_on = version.tags.get("dataset")
    if trained_on is None:
        raise DataError(
            f"version {version.version}",
            expected="the tag dataset",
            found="none: its training rows are unknown",
            next_step="train again",
        )
    if seen := prove_disjoint(storage, dataset, load_dataset(storage, trained_on)):
        raise _seen(version, dataset, seen, next_step="train again on rows outside the holdout")


def require_not_tuned_on(storage: Storage, dataset: Dataset, version: Version) -> None:
    """Raise DataError unless no holdout row is among those that settings were tuned on."""
    tuned_on = version.tags.get("tuned_on")
    if tuned_on is not None and (
        seen := count_seen(storage, dataset, load_seen(storage, tuned_on))
    ):
        raise _seen(
            version,
            dataset,
            seen,
            next_step="tune again on rows before the holdout, and commit settings.lock.yaml",
        )


def _seen(version: Version, dataset: Dataset, rows: int, *, next_step: str) -> DataError:
    found = f"{rows} of {dataset.parts['holdout'].rows}"
    return DataError(
        f"version {version.version}",
        expected="no row of the holdout among them",
        found=found,
        next_step=next_step,
    )


def require_same_question(first: ComparedModel, second: ComparedModel, dataset: Dataset) -> None:
    """Raise DataError unless both models and the dataset mean the same by a score."""
    asked = [_question(model.contract) for model in (first, second)]
    if asked[0] != asked[1]:
        raise DataError(
            "the two contracts",
            expected=f"{asked[0]} ({first.name})",
            found=f"{asked[1]} ({second.name})",
            next_step=OVERRIDE_NEEDED,
        )
    if (dataset.target, dataset.classes) != (first.contract.target, first.contract.classes):
        raise DataError(
            "the dataset",
            expected=asked[0],
            found=f"target {dataset.target}, classes {', '.join(dataset.classes)}",
            next_step="train again",
        )


def _question(contract: Contract) -> str:
    classes = ", ".join(contract.classes)
    return (
        f"{contract.task} target {contract.target}, classes {classes}, positive {contract.positive}"
    )


def _loaded(folder: Path, *, digest: str, name: str) -> ComparedModel:
    """Load a model. A folder that cannot be loaded is treated as altered.

    Raise IntegrityError whatever the loader raised: the model cannot be compared.
    """
    try:
        return ComparedModel(name, load_predictor(folder, digest=digest))
    except IntegrityError:
        raise
    except Exception as error:
        raise IntegrityError(
            f"the {name}",
            expected="a model that can be loaded",
            found=f"{type(error).__name__}: {error}",
            next_step="train and release again",
        ) from error
