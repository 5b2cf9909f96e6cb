"""Run the gate as a step of the pipeline, and reach a recorded verdict again."""

import logging
import re
from pathlib import Path

from titlebout.gate.explain_verdict import explain
from titlebout.gate.inputs import GateInput, gather_input
from titlebout.registry import Registry
from titlebout.spec import (
    EVALUATION_FILE,
    VALIDATION_FILE,
    VERDICT_FILE,
    DataError,
    Environment,
    Evaluation,
    IntegrityError,
    Validation,
    Verdict,
    find_project,
    load_environment,
)
from titlebout.storage import Storage, layout, open_storage

log = logging.getLogger(__name__)

EXPLANATION_FILE = "verdict.txt"
LEAST_CHARACTERS = 8  # of a digest, by which a verdict is named
TAG_CHARACTERS = 5000  # MLflow's limit


def decide_verdict(
    *, model: str, environment: str, evaluation: Path, validation: Path, out: Path
) -> Verdict:
    """Reach the verdict, and write `out/verdict.json`, `verdict.txt` and the last `report.html`.

    Keep them in the run and in storage, and tag the version. Calling it again changes nothing.
    `evaluation` and `validation` are the folders that these steps wrote.

    Raises:
        SpecError: a record of theirs cannot be read.
        RegistryError: the registry does not answer. There is no verdict then, and so no release.
    """
    from titlebout.evaluate import MATERIAL_FILE, PAGE_FILE, PageMaterial, write_page
    from titlebout.gate.run import run_gate  # imports pandas

    project = find_project()
    declared = load_environment(project, environment)
    registry, storage = Registry.connect(project, declared), open_storage(project, declared.storage)
    evaluated = Evaluation.from_json(evaluation / EVALUATION_FILE)
    validated = Validation.from_json(validation / VALIDATION_FILE)
    material = PageMaterial.from_json(evaluation / MATERIAL_FILE)
    _require_model(model, evaluated)
    gate_input = gather_input(
        project, declared, registry, evaluation=evaluated, validation=validated
    )
    verdict = run_gate(gate_input, registry, storage)
    log.info("verdict %s of %s: %s", verdict.digest, model, verdict.verdict)
    out.mkdir(parents=True, exist_ok=True)
    write_page(
        out / PAGE_FILE, material, evaluation=evaluated, validation=validated, verdict=verdict
    )
    registry.log_file(evaluated.run_id, out / PAGE_FILE)
    _record(verdict, gate_input, registry, storage, out=out)
    return verdict


def replay(project: Path, environment: Environment, record: str) -> tuple[Verdict, bool]:
    """Reach a recorded verdict again; return it, and whether it is the same.

    `record` is a verdict's digest, its first characters, or a verdict's file.

    Raises:
        IntegrityError: the record is not as it was written.
        DataError: there is no such record.
    """
    from titlebout.gate.run import run_gate

    storage = open_storage(project, environment.storage)
    recorded = _recorded(storage, record)
    gate_input = storage.read_record(GateInput, *layout.gate_input(recorded.digest))
    verdict = run_gate(gate_input, Registry.connect(project, environment), storage)
    return verdict, verdict.digest == recorded.digest


def _require_model(model: str, evaluation: Evaluation) -> None:
    if evaluation.model != model:
        raise DataError(
            "the evaluation",
            expected=f"one of {model}",
            found=f"one of {evaluation.model}",
            next_step="give the folder of this run",
        )


def _record(
    verdict: Verdict, gate_input: GateInput, registry: Registry, storage: Storage, *, out: Path
) -> None:
    """Keep the verdict, and write the tag last: a version with the tag has its record."""
    storage.write_record(gate_input, *layout.gate_input(verdict.digest))
    storage.write_record(verdict, *layout.verdict(verdict.digest))
    (out / VERDICT_FILE).write_text(verdict.canonical_json())
    (out / EXPLANATION_FILE).write_text(explain(verdict) + "\n")
    for name in (VERDICT_FILE, EXPLANATION_FILE):
        registry.log_file(gate_input.evaluation.run_id, out / name)
    version = registry.find(verdict.model, version=gate_input.evaluation.version)
    if version is not None:
        registry.tag(
            version,
            verdict_reasons="; ".join(verdict.reasons)[:TAG_CHARACTERS],
            verdict=verdict.digest,
        )


def _whole_digest(storage: Storage, begins: str) -> str:
    """Return the digest of the one verdict that begins so: `history` prints twelve characters.

    Raise DataError if none or several begin so.
    """
    expected = f"a file, or a digest's first {LEAST_CHARACTERS} characters or more"
    if re.fullmatch(f"[0-9a-f]{{{LEAST_CHARACTERS},64}}", begins) is None:
        raise DataError(
            f"verdict {begins!r}",
            expected=expected,
            found="neither",
            next_step="titlebout history prints them",
        )
    found = sorted(
        {name.split(".")[0] for name in storage.names(layout.VERDICTS) if name.startswith(begins)}
    )
    if len(found) != 1:
        what = f"{len(found)} that begin so: {', '.join(found)}" if found else "none that begins so"
        raise DataError(
            f"verdict {begins}",
            expected="a verdict that the gate recorded",
            found=what,
            next_step="name more of its digest",
        )
    return found[0]


def _recorded(storage: Storage, record: str) -> Verdict:
    path = Path(record)
    digest = Verdict.from_json(path).digest if path.is_file() else _whole_digest(storage, record)
    if not all(
        storage.exists(*path) for path in (layout.verdict(digest), layout.gate_input(digest))
    ):
        found = (
            f"{record}, whose content has the digest {digest}: it was altered"
            if path.is_file()
            else "none"
        )
        kind = IntegrityError if path.is_file() else DataError
        raise kind(
            f"verdict {digest}",
            expected="a verdict that the gate recorded",
            found=found,
            next_step="name the digest of a verdict",
        )
    return storage.read_record(Verdict, *layout.verdict(digest), digest=digest)
