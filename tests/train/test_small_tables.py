"""Go from `titlebout new` to a verdict and a scored table, on small tables of every kind.

No model.yaml is edited. TITLEBOUT_SMALL_TABLES=50 .venv/bin/pytest
tests/train/test_small_tables.py tries fifty tables. By default there are six.
"""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.folder_registry import FolderRegistry
from support.small_tables import SmallTable, small_table

from titlebout.batch.score_file import score_file
from titlebout.data import prepare_dataset
from titlebout.evaluate import evaluate_candidates
from titlebout.gate import decide_verdict
from titlebout.registry import Registry
from titlebout.release.release_target import Adapters
from titlebout.scaffold import new_model
from titlebout.spec import Dataset, Override, Release, Validation, Verdict, load_environment
from titlebout.storage import open_storage
from titlebout.train import train_candidates
from titlebout.validate import validate_version

TABLES = int(os.environ.get("TITLEBOUT_SMALL_TABLES", "6"))
# Checks that say something about the model. If another one fails, a default is wrong.
CHECKS_OF_THE_MODEL = {"beats the baseline"}
STRONG, ENOUGH_ROWS = 0.99, 100


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "environments" / "prod").mkdir(parents=True)
    (tmp_path / "environments" / "prod" / "environment.yaml").write_text(
        "name: prod\nmlflow: http://127.0.0.1:1\nstorage: storage\n"
    )
    monkeypatch.setenv("TITLEBOUT_PROJECT", str(tmp_path))
    registry = FolderRegistry(tmp_path / "registry")
    # No MLflow server runs in this test.
    monkeypatch.setattr(Registry, "connect", lambda project, environment: registry)
    return tmp_path


def verdict_of(project: Path, table: SmallTable) -> tuple[Validation, Verdict]:
    """Run every step as the pipeline does, with no limit on the latency of a shared machine."""
    path, spec, _ = new_model(
        project, name=table.name, data=table.write(project), target=table.target
    )
    assert spec.task == table.task
    path.write_text(path.read_text().replace("p99_ms: 50", "p99_ms: 60000"))
    step: dict[str, Any] = {"model": table.name, "environment": "prod"}
    out = project / "out"
    prepare_dataset(**step, as_of=None, out=out / "dataset")
    train_candidates(**step, dataset=out / "dataset", out=out / "training")
    evaluation = evaluate_candidates(
        **step, dataset=out / "dataset", training=out / "training", out=out / "evaluation"
    )
    # Only a binary model has an accuracy at its served threshold beside that at 0.5.
    assert (evaluation.accuracy_served is not None) == (table.task == "binary")
    assert evaluation.lead is not None
    validation = validate_version(**step, evaluation=out / "evaluation", out=out / "validation")
    return validation, decide_verdict(
        **step, evaluation=out / "evaluation", validation=out / "validation", out=out / "verdict"
    )


def make_champion(project: Path, registry: FolderRegistry, verdict: Verdict) -> None:
    """Write what a release leaves for batch scoring: the record, the tag and the alias."""
    version = registry.newest(verdict.model)
    assert version is not None
    override = (
        None
        if verdict.verdict == "accept"
        else Override(by="a test", reason="to score", overrides="; ".join(verdict.reasons))
    )
    record = Release(
        model=verdict.model,
        model_digest=version.digest,
        package_digest="0" * 64,
        data_digest=verdict.dataset,
        code_version="test",
        configuration_digest="0" * 64,
        threshold=None,
        verdict=verdict.digest,
        override=override,
    )
    open_storage(project, load_environment(project, "prod").storage).write_record(
        record, "releases", f"{record.id}.json"
    )
    registry.tag(version, release=record.id)
    registry.set_alias(verdict.model, "champion", version)


@pytest.mark.parametrize("seed", range(TABLES))
def test_a_small_table_comes_to_a_verdict_that_its_rows_decide(project: Path, seed: int):
    """Let no default of `new` decide.

    Validation fails only for the model's own faults. A clear signal in enough rows is not rejected.
    """
    table = small_table(seed)
    validation, verdict = verdict_of(project, table)
    failed = {check.name: check.detail for check in validation.checks if not check.passed}
    assert set(failed) <= CHECKS_OF_THE_MODEL, failed
    if table.strength == STRONG and len(table.frame) >= ENOUGH_ROWS:
        assert verdict.verdict in ("accept", "inconclusive"), verdict.reasons
    if verdict.primary is None and not failed:
        assert verdict.verdict == "inconclusive"
        assert any(
            "needed" in reason or "expected at least" in reason for reason in verdict.reasons
        )
    registry = Registry.connect(project, load_environment(project, "prod"))
    make_champion(project, registry, verdict)
    adapters = Adapters(connect=Registry.connect, build=None, serve=None, build_image=None)
    found = score_file(
        project,
        table.name,
        "prod",
        file=project / f"{table.name}.csv",
        out=project / "scored.csv",
        adapters=adapters,
    )
    assert found["rows"] == len(table.frame)
    scored = pd.read_csv(project / "scored.csv")
    assert scored["prediction"].notna().all()
    rows = Dataset.from_json(project / "out" / "dataset").parts
    print(
        f"{table.name}: {table.task}, {len(table.frame)} rows ({rows['holdout'].rows} holdout), "
        f"strength {table.strength}: {verdict.verdict}; {verdict.reasons[0]}"
    )
