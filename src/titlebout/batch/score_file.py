"""Score a table in a file with the same model object that is served."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout.cluster import reach
from titlebout.ledger import CHAMPION
from titlebout.release import ADAPTERS, Adapters
from titlebout.spec import (
    Contract,
    DataError,
    Environment,
    NotAllowed,
    Release,
    load_environment,
    load_model_spec,
)
from titlebout.storage import layout, open_storage, state_home

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from titlebout.registry import Version
    from titlebout.scoring import Predictor

log = logging.getLogger(__name__)


def score_file(
    project: Path,
    model: str,
    environment: str,
    *,
    file: Path,
    out: Path,
    adapters: Adapters = ADAPTERS,
) -> dict[str, Any]:
    """Score the table with the Champion, and write the table and the result's columns to `out`.

    The Champion is looked up once. A row that cannot be predicted has no prediction, and the
    column `refused` says why. If that is every row, raise DataError after `out` was written.

    Raise DataError for a missing column, IntegrityError for an altered model, and NotAllowed
    without a Champion.
    """
    from titlebout.batch.score_rows import predict_rows
    from titlebout.batch.scored_output import refuse_output, write_scored
    from titlebout.scoring import load_predictor

    refuse_output(out, source=file)
    version, release, folder = _download_champion(project, model, environment, adapters)
    log.info("score %s with %s, version %s", file, model, version.version)
    predictor = load_predictor(folder, digest=release.model_digest)
    table, frame = _read(file, predictor.contract)
    answers = predict_rows(predictor, frame, threshold=_threshold(predictor, release))
    columns = write_scored(table, answers, out, release=release.id, version=version.version)
    known = {column.name for column in predictor.contract.inputs}
    refused = [reason for reason in answers["refused"].to_pylist() if reason is not None]
    _refuse_all_refused(refused, rows=len(frame), file=file)
    return {
        "rows": len(frame),
        "refused": len(refused),
        "release": release.id,
        "version": version.version,
        "out": str(out),
        "columns": columns,
        "not_used": [str(name) for name in frame.columns if name not in known],
    }


def default_output(source: str) -> str:
    """Return where a table's predictions go without --out: beside the file, folder or address.

    Raise DataError for a whole bucket, which has nothing beside it.
    """
    from titlebout.data import without_endings

    address = "://" in source
    if not address and Path(source).name in ("", ".."):
        source = str(Path(source).resolve())
    folder, slash, name = source.rstrip("/").rpartition("/")
    if address and folder.endswith(":/"):
        raise DataError(
            source,
            expected="an object or a folder in a bucket",
            found="a whole bucket",
            next_step="name it, or give --out",
        )
    return f"{folder}{slash}{without_endings(name)}.predictions.parquet"


def _download_champion(
    project: Path, model: str, environment: str, adapters: Adapters
) -> "tuple[Version, Release, Path]":
    """Return the Champion, its release and its model folder; raise NotAllowed without one."""
    declared = load_environment(project, environment)
    with reach(declared, team=load_model_spec(project, model).owner) as reachable:
        registry = adapters.connect(project, reachable)
        version = registry.find(model, alias=CHAMPION)
        if version is None:
            raise NotAllowed(
                f"{model} in {environment}",
                expected="a Champion",
                found="none",
                next_step=f"titlebout release {model} --env {environment}",
            )
        release = _read_release(project, reachable, version)
        folder = state_home(project) / environment / "models" / version.digest
        return version, release, registry.download(version, folder)


def _read_release(project: Path, environment: Environment, version: "Version") -> Release:
    """Return the release of this version: its threshold is part of the decision."""
    if "release" not in version.tags:
        raise NotAllowed(
            f"version {version.version} of {version.model}",
            expected="the tag `release`, which the release transaction sets",
            found="none",
            next_step=f"titlebout release {version.model} --env {environment.name}",
        )
    release = version.tags["release"]
    return open_storage(project, environment.storage).read_record(
        Release, *layout.release(release), digest=release
    )


def _threshold(predictor: "Predictor", release: Release) -> float | None:
    return predictor.contract.threshold if release.threshold is None else release.threshold


def _read(file: Path, contract: Contract) -> "tuple[pa.Table, pd.DataFrame]":
    """Return the table as it was read, and its plain columns.

    Raise DataError if the model's columns are not all there.
    """
    import pyarrow as pa

    from titlebout.data import normalize_table, read_arrow, refuse_absent

    table = read_arrow(file)
    names = [column.name for column in contract.inputs]
    if not table.num_columns:  # JSON lines without a line have no header either
        table = pa.table({name: pa.array([], pa.string()) for name in names})
    refuse_absent(
        names,
        table.column_names,
        subject=str(file),
        next_step="add it; a value may be missing, a column may not",
    )
    _refuse_mixed(table, contract, subject=str(file))
    return table, normalize_table(table, missing=contract.missing)


def _refuse_mixed(table: "pa.Table", contract: Contract, *, subject: str) -> None:
    """Raise DataError for a column of numbers and texts that the contract reads by a format.

    In such a format 1.234 may be 1234.
    """
    formatted = [
        column.name
        for column in contract.inputs
        if column.type == "number" and column.format is not None
    ]
    if mixed := [
        name for name in formatted if (table.schema.field(name).metadata or {}).get(b"mixed")
    ]:
        raise DataError(
            subject,
            expected=f"numbers, or texts in the contract's format, in column {mixed[0]!r}",
            found="both",
            next_step="write all of the column's values as numbers, with null for missing ones",
        )


def _refuse_all_refused(reasons: list[str], *, rows: int, file: Path) -> None:
    """Raise DataError if there are rows and every one was refused."""
    if rows and len(reasons) == rows:
        raise DataError(
            str(file),
            expected="a row that can be predicted",
            found=f"none of {rows:,}; the first: {reasons[0]}",
            next_step="correct the table; the column `refused` of the output says of each row why",
        )
