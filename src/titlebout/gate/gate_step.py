"""The gate as a step of the pipeline: open the case, hear it, write the verdict down; and reach a recorded verdict again."""

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

WORDS_FILE = "verdict.txt"
LEAST_CHARACTERS = 8  # of a digest, by which a verdict is named
TAG_CHARACTERS = 5000  # MLflow's limit


def decide_verdict(
    *, model: str, environment: str, evaluation: Path, validation: Path, out: Path
) -> Verdict:
    """Write `out/verdict.json`, `verdict.txt` and the closing `report.html`, keep them in run and storage, tag the version; idempotent.

    `evaluation` and `validation` are the folders that these steps wrote. Raises SpecError if a record of theirs cannot be read and
    RegistryError if the registry is away: then there is no verdict, and so no release.
    """
    from titlebout.evaluate import MATERIAL_FILE, PAGE_FILE, PageMaterial, write_page
    from titlebout.gate.run import run_gate  # imports pandas

    project = find_project()
    place = load_environment(project, environment)
    registry, storage = Registry.connect(project, place), open_storage(project, place.storage)
    evaluated, validated = (
        Evaluation.from_json(evaluation / EVALUATION_FILE),
        Validation.from_json(validation / VALIDATION_FILE),
    )
    material = PageMaterial.from_json(evaluation / MATERIAL_FILE)
    _require_model(model, evaluated)
    gate_input = gather_input(project, place, registry, evaluation=evaluated, validation=validated)
    verdict = run_gate(gate_input, registry, storage)
    out.mkdir(parents=True, exist_ok=True)
    write_page(
        out / PAGE_FILE, material, evaluation=evaluated, validation=validated, verdict=verdict
    )
    registry.log_file(evaluated.run_id, out / PAGE_FILE)
    _record(verdict, gate_input, registry, storage, out=out)
    return verdict


def replay(project: Path, place: Environment, record: str) -> tuple[Verdict, bool]:
    """The verdict reached again from its records, and whether it is the same; `record` is a digest or a verdict's file.

    Raises IntegrityError if the record is not as it was written, DataError if there is none.
    """
    from titlebout.gate.run import run_gate

    storage = open_storage(project, place.storage)
    recorded = _recorded(storage, record)
    gate_input = storage.read_record(GateInput, *layout.gate_input(recorded.digest))
    verdict = run_gate(gate_input, Registry.connect(project, place), storage)
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
    """The tag last: where it stands, the record does."""
    storage.write_record(gate_input, *layout.gate_input(verdict.digest))
    storage.write_record(verdict, *layout.verdict(verdict.digest))
    (out / VERDICT_FILE).write_text(verdict.canonical_json())
    (out / WORDS_FILE).write_text(explain(verdict) + "\n")
    for name in (VERDICT_FILE, WORDS_FILE):
        registry.log_file(gate_input.evaluation.run_id, out / name)
    version = registry.find(verdict.model, version=gate_input.evaluation.version)
    if version is not None:
        registry.tag(
            version,
            verdict_reasons="; ".join(verdict.reasons)[:TAG_CHARACTERS],
            verdict=verdict.digest,
        )


def _whole_digest(storage: Storage, begins: str) -> str:
    """Return the digest of the one verdict that begins so: `history` prints twelve characters. Raises DataError if none or several do."""
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
