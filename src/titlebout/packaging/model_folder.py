"""Write the model folder; its digest names the model.

It holds `model.skops`, `contract.json`, and `model.onnx` where that predicts the same.
"""

from pathlib import Path
from typing import Any

import numpy as np

from titlebout.packaging.onnx_conversion import choose_engine
from titlebout.packaging.reproducible_bytes import fix_thread_count, stable_skops
from titlebout.scoring import Scores, load_pipeline, pipeline_scores
from titlebout.spec import (
    CONTRACT_FILE,
    ONNX_FILE,
    SKOPS_FILE,
    Contract,
    DataError,
    SpecError,
    digest_of_folder,
)


def write_model(folder: Path, *, pipeline: Any, contract: Contract, sample: Any) -> Contract:
    """Write the fitted pipeline, and choose its engine by the rows of `sample`.

    `sample` is a DataFrame of model columns. The contract that is returned and written holds the
    engine and the types that loading must trust.

    Raise DataError for a sample without rows. Raise SpecError if the pipeline's classes are not the
    contract's, or if the pipeline does not survive writing.
    """
    if len(sample) == 0:
        raise DataError(
            "the parity sample",
            expected="at least one row",
            found="none",
            next_step="pass rows of the holdout",
        )
    _check_classes(pipeline, contract)
    folder.mkdir(parents=True, exist_ok=True)
    expected = pipeline_scores(contract, pipeline, sample)
    archive, trusted = _dump(pipeline)
    engine, graph = choose_engine(pipeline, contract, X=sample, expected=expected)
    contract = contract.model_copy(update={"engine": engine, "trusted_types": trusted})
    (folder / SKOPS_FILE).write_bytes(archive)
    (folder / ONNX_FILE).unlink(missing_ok=True)
    if graph is not None:
        (folder / ONNX_FILE).write_bytes(graph)
    (folder / CONTRACT_FILE).write_text(contract.canonical_json())
    _check_reloaded(folder, pipeline, sample=sample, expected=expected)
    return contract


def _check_classes(pipeline: Any, contract: Contract) -> None:
    if contract.task == "regression":
        return
    found, expected = np.asarray(pipeline.classes_).tolist(), list(range(len(contract.classes)))
    if found != expected:
        raise SpecError(
            f"the fitted pipeline of {contract.model}",
            expected=f"classes coded {expected}, for {', '.join(contract.classes)}",
            found=f"classes {found}",
            next_step="fit it on the codes of the dataset's classes, each of which must occur",
        )


def _dump(pipeline: Any) -> tuple[bytes, tuple[str, ...]]:
    import skops.io

    fix_thread_count(pipeline)
    try:
        archive = stable_skops(skops.io.dumps(pipeline))
        return archive, tuple(sorted(skops.io.get_untrusted_types(data=archive)))
    except Exception as error:
        raise _unwritable_error(
            pipeline, " ".join(str(error).split()) or type(error).__name__
        ) from error


def _check_reloaded(folder: Path, pipeline: Any, *, sample: Any, expected: Scores) -> None:
    """Raise SpecError if the folder, read again, does not predict the same.

    Skops writes some things that it cannot read again: find that out here, not when the model is
    served.
    """
    try:
        reloaded = load_pipeline(folder, digest=digest_of_folder(folder))
        found = pipeline_scores(Contract.from_json(folder / CONTRACT_FILE), reloaded, sample)
    except Exception as error:
        raise _unwritable_error(pipeline, f"written, but not readable: {error}") from error
    if not np.array_equal(found, expected):
        raise _unwritable_error(
            pipeline,
            f"read again, its predictions differ by up to {np.abs(found - expected).max():.2g}",
        )


def _unwritable_error(pipeline: Any, found: str) -> SpecError:
    return SpecError(
        f"the fitted {type(pipeline[-1]).__name__}",
        expected="an estimator that skops writes and reads again, "
        "since a model folder holds no pickle",
        found=found,
        next_step="name another estimator in model.yaml, or ask skops to support this one",
    )
