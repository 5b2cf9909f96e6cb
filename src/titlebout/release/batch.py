"""Batch scoring: a table, scored with the very model object that is served."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout.cluster import reach
from titlebout.release.edges import EDGES
from titlebout.release.follow import CHAMPION
from titlebout.release.place import Edges
from titlebout.spec import Column, Contract, DataError, Environment, NotAllowed, Release, load_environment, load_model_spec
from titlebout.storage import open_storage, state_home

if TYPE_CHECKING:
    import pandas as pd

    from titlebout.registry import Version

CSV = ".csv"
PARQUET = (".parquet", ".pq")


def score(project: Path, model: str, environment: str, *, file: Path, out: Path, edges: Edges = EDGES) -> dict[str, Any]:
    """Score the table with the Champion, resolved once; `out` is the table with the predictions, the release and its version beside it.

    Columns that the model does not know are kept and named in `not_used`. Raises DataError for a missing column or a wrong type,
    IntegrityError for an altered model, NotAllowed without a Champion.
    """
    from titlebout.data import read_table
    from titlebout.serve.predictor import load_predictor

    _require_format(out)
    with reach(load_environment(project, environment), team=load_model_spec(project, model).owner) as place:
        registry = edges.connect(project, place)
        version = _champion(registry.find(model, alias=CHAMPION), model=model, environment=environment)
        release = _release(project, place, version)
        folder = registry.download(version, state_home(project) / environment / "models" / version.digest)
    predictor = load_predictor(folder, digest=release.model_digest)
    table = read_table(file, missing=predictor.contract.missing)
    predicted = _predict(predictor, table, threshold=release.threshold, subject=str(file))
    _write(_beside(table, predicted, release=release.id, version=version.version, subject=str(file)), out)
    known = {column.name for column in predictor.contract.inputs}
    not_used = [str(name) for name in table.columns if name not in known]
    return {"rows": len(table), "release": release.id, "version": version.version, "out": str(out), "not_used": not_used}


def _champion(version: "Version | None", *, model: str, environment: str) -> "Version":
    if version is None:
        raise NotAllowed(
            f"{model} in {environment}", expected="a Champion", found="none", next_step=f"titlebout release {model} --env {environment}"
        )
    return version


def _release(project: Path, environment: Environment, version: "Version") -> Release:
    """What was released of this version: its threshold is part of the decision."""
    if "release" not in version.tags:
        raise NotAllowed(
            f"version {version.version} of {version.model}",
            expected="the tag `release`, which the release transaction sets",
            found="none",
            next_step=f"titlebout release {version.model} --env {environment.name}",
        )
    release = version.tags["release"]
    return open_storage(project, environment.storage).read_record(Release, "releases", f"{release}.json", digest=release)


def _predict(predictor: Any, table: "pd.DataFrame", *, threshold: float | None, subject: str) -> "pd.DataFrame":
    """`prediction`, and for classes `score.<class>`, one row per row of the table."""
    import pandas as pd

    from titlebout.data import features, wire_features
    from titlebout.serve.answers import Decision

    contract: Contract = predictor.contract
    columns = {column.name: Column(type=column.type, format=column.format) for column in contract.inputs}
    _require_columns(columns, table, subject=subject)
    encoded = features(wire_features(table, columns, subject=subject), columns)
    scores = predictor.scores({str(name): encoded[name].to_numpy() for name in encoded.columns})
    return pd.DataFrame(Decision(contract, contract.threshold if threshold is None else threshold).records(scores))


def _require_columns(columns: dict[str, Column], table: "pd.DataFrame", *, subject: str) -> None:
    if missing := [name for name in columns if name not in table.columns]:
        raise DataError(
            subject,
            expected=f"the columns {', '.join(columns)}",
            found=f"no {', '.join(missing)}",
            next_step="add them; a value may be missing, a column may not",
        )


def _beside(table: "pd.DataFrame", predicted: "pd.DataFrame", *, release: str, version: str, subject: str) -> "pd.DataFrame":
    import pandas as pd

    made = predicted.assign(release=release, version=version)
    if both := [name for name in made.columns if name in table.columns]:
        raise DataError(
            subject, expected="no columns named as the results are", found=", ".join(both), next_step="rename or leave out these columns"
        )
    return pd.concat([table, made], axis=1)


def _write(table: "pd.DataFrame", out: Path) -> None:
    """Whole or not at all."""
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    if out.suffix.lower() == CSV:
        table.to_csv(partial, index=False)
    else:
        table.to_parquet(partial, index=False)
    partial.replace(out)


def _require_format(out: Path) -> None:
    if out.suffix.lower() not in (CSV, *PARQUET) or not out.parent.is_dir():
        raise DataError(
            str(out), expected="a .csv or .parquet file in a folder that exists", found="another", next_step="choose another --out"
        )
