"""Run the gate with real data and real model folders.

The better model wins, and whatever is wrong rejects the Challenger with its reason.
"""

import html
import json
import shutil
from pathlib import Path

import pytest
from support.gate_project import MODEL, GateProject, GateRegistry, build_gate_project

from titlebout.data import keep_seen
from titlebout.evaluate import MATERIAL_FILE
from titlebout.gate.explain_verdict import explain
from titlebout.gate.gate_step import replay
from titlebout.gate.inputs import gather_input
from titlebout.gate.run import run_gate
from titlebout.registry import Registry
from titlebout.spec import (
    EVALUATION_FILE,
    VALIDATION_FILE,
    Check,
    DataError,
    Dataset,
    IntegrityError,
    RegistryError,
    SeenRows,
    SmallSlices,
    Verdict,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> GateProject:
    return build_gate_project(tmp_path_factory.mktemp("gate"))


@pytest.fixture
def gate_project(built: GateProject, tmp_path: Path) -> GateProject:
    """Return a copy, which a test may damage."""
    project = Path(shutil.copytree(built.project, tmp_path / "project"))
    fresh = GateProject(
        project,
        built.environment,
        type(built.storage)(str(project / "store")),
        GateRegistry(project / "registry"),
        built.dataset,
        {},
    )
    return GateProject(
        **{**vars(fresh), "models": {name: project / "fitted" / name for name in built.models}}
    )


def verdict_on(gate_project: GateProject, evaluation, validation) -> Verdict:
    gate_input = gather_input(
        gate_project.project,
        gate_project.environment,
        gate_project.registry,
        evaluation=evaluation,
        validation=validation,
    )
    return run_gate(gate_input, gate_project.registry, gate_project.storage)


def rejected(verdict: Verdict) -> str:
    assert (verdict.verdict, verdict.primary) == ("reject", None)
    return " ".join(verdict.reasons)


def test_without_a_champion_the_baseline_is_the_opponent(gate_project):
    """Compare with the baseline if there is no Champion; a model that learnt something beats it."""
    verdict = verdict_on(gate_project, *gate_project.register_challenger("strong"))
    assert (verdict.verdict, verdict.opponent) == ("accept", "baseline")
    assert verdict.holdout == gate_project.dataset.parts["holdout"].rows_digest
    assert verdict.primary.rows == gate_project.dataset.parts["holdout"].rows


def test_the_stronger_challenger_beats_the_champion_and_the_weaker_does_not(gate_project):
    """Score both models on the Challenger's holdout, and let the stronger one win."""
    champion = gate_project.make_champion("weak")
    won = verdict_on(gate_project, *gate_project.register_challenger("strong"))
    assert (won.verdict, won.opponent, won.opponent_digest) == (
        "accept",
        "champion",
        champion.digest,
    )
    gate_project.make_champion("strong")
    assert verdict_on(gate_project, *gate_project.register_challenger("weak")).verdict == "reject"


def test_the_champion_as_challenger_is_rejected(gate_project):
    """Reject a Challenger that is the Champion: the same training gave the same model."""
    gate_project.make_champion("strong")
    assert "the Challenger is the Champion" in rejected(
        verdict_on(gate_project, *gate_project.register_challenger("strong"))
    )


def test_an_environment_may_ask_for_the_baseline_always(gate_project):
    """Compare with the baseline where the environment says so, even if there is a Champion."""
    gate_project.make_champion("strong")
    strict = gate_project.environment.gate.model_copy(update={"opponent": "baseline"})
    gate_project.environment = gate_project.environment.model_copy(update={"gate": strict})
    assert (
        verdict_on(gate_project, *gate_project.register_challenger("weak")).opponent == "baseline"
    )


def test_a_challenger_trained_on_holdout_rows_is_rejected(gate_project):
    """Reject a Challenger whose training part holds the holdout's rows.

    A gate that does not check them (the broken variant) would accept it.
    """
    cheating = with_parts(gate_project, train="holdout")
    reason = rejected(
        verdict_on(gate_project, *gate_project.register_challenger("strong", dataset=cheating))
    )
    assert "no row of the holdout among them; found" in reason


def test_a_champion_trained_on_holdout_rows_is_rejected(gate_project):
    """Reject if the Champion was trained on holdout rows: its figures there say nothing."""
    champion = gate_project.make_champion("weak")
    champion.tags["dataset"] = with_parts(gate_project, validation="holdout").digest
    assert "the Champion was trained on" in rejected(
        verdict_on(gate_project, *gate_project.register_challenger("strong"))
    )


@pytest.mark.parametrize("who", ["Challenger", "Champion"])
@pytest.mark.parametrize(
    ("until", "outcome"),
    [("before the holdout", "accept"), ("in the holdout", "reject"), ("not said", "reject")],
)
def test_rows_that_settings_were_tuned_on_count_as_seen(gate_project, who, until, outcome):
    """Count rows that settings were tuned on as seen, in whatever environment.

    The lock names them. Settings whose rows are not known are rejected, too.
    """
    champion = gate_project.make_champion("weak")
    evaluation, validation = gate_project.register_challenger("strong")
    tuned = champion if who == "Champion" else gate_project.registry.versions[-1]
    tuned.tags["tuned_on"] = tuned_on(gate_project, until)
    verdict = verdict_on(gate_project, evaluation, validation)
    assert verdict.verdict == outcome
    if outcome == "reject":
        assert f"the {who}'s settings were tuned on" in rejected(verdict)
        assert "; next: tune again" in rejected(verdict)


def tuned_on(gate_project: GateProject, until: str) -> str:
    """Keep a record of rows tuned on in another environment, and return its digest."""
    if until == "not said":
        return keep_seen(gate_project.storage, None)
    part = "validation" if until == "before the holdout" else "holdout"
    last = gate_project.dataset.parts[part].last_time
    seen = SeenRows(
        dataset="d" * 64,
        split=gate_project.dataset.split,
        key_columns=("x",),
        time_column="day",
        since="2010-01-01",
        until=last,
    )
    return keep_seen(gate_project.storage, seen)


def test_a_verdict_says_what_was_proved_of_the_holdout(gate_project):
    """Say that rows are proved unseen, and not entities."""
    verdict = verdict_on(gate_project, *gate_project.register_challenger("strong"))
    assert "rows are proved, not entities" in verdict.unseen
    assert f"proved {verdict.unseen}" in explain(verdict)


@pytest.mark.parametrize("broken", ["no tag", "no dataset", "no hashes"])
def test_unknown_training_rows_are_rejected(gate_project, broken):
    """Reject a Champion whose training rows cannot be found."""
    champion = gate_project.make_champion("weak")
    if broken == "no tag":
        del champion.tags["dataset"]
    else:
        other = with_parts(gate_project, train="validation")
        champion.tags["dataset"] = other.digest
        gone = Path(gate_project.storage.address("datasets", other.digest))
        shutil.rmtree(gone) if broken == "no dataset" else (gone / "train.hashes.parquet").unlink()
    assert "the Champion was trained on" in rejected(
        verdict_on(gate_project, *gate_project.register_challenger("strong"))
    )


def test_an_altered_champion_is_refused(gate_project):
    """Refuse to load a Champion of whose artifact one byte differs."""
    champion = gate_project.make_champion("weak")
    flip_a_byte(gate_project.registry.root / champion.version / "model.skops")
    assert "the Champion's model: expected model digest" in rejected(
        verdict_on(gate_project, *gate_project.register_challenger("strong"))
    )


def test_an_altered_challenger_is_refused(gate_project):
    """Refuse a Challenger that differs from what was evaluated."""
    evaluation, validation = gate_project.register_challenger("strong")
    flip_a_byte(gate_project.registry.root / evaluation.version / "contract.json")
    assert "the Challenger's model" in rejected(verdict_on(gate_project, evaluation, validation))


def test_an_altered_baseline_is_refused(gate_project):
    """Refuse a baseline that was replaced by a weaker one."""
    evaluation, validation = gate_project.register_challenger("strong")
    shutil.copy(
        gate_project.models["weak"] / "model.skops",
        gate_project.registry.root / evaluation.run_id / "baseline" / "model.skops",
    )
    assert "the Baseline's model: expected digest" in rejected(
        verdict_on(gate_project, evaluation, validation)
    )


def test_a_champion_that_cannot_be_loaded_is_rejected(gate_project):
    """Reject if the Champion's digest is right but its content is no model."""
    folder = gate_project.models["weak"]
    for name in ("model.skops", "model.onnx"):
        if (folder / name).exists():
            (folder / name).write_bytes(b"nothing")
    gate_project.make_champion("weak")
    assert "a model that can be loaded" in rejected(
        verdict_on(gate_project, *gate_project.register_challenger("strong"))
    )


@pytest.mark.parametrize("part", ["holdout.parquet", "holdout.hashes.parquet", "record.json"])
def test_an_altered_dataset_is_rejected(gate_project, part):
    """Reject if rows, hashes or record of the dataset were altered."""
    flip_a_byte(Path(gate_project.storage.address("datasets", gate_project.dataset.digest, part)))
    rejected(verdict_on(gate_project, *gate_project.register_challenger("strong")))


@pytest.mark.parametrize(
    ("champion", "reason"),
    [("other target", "target cancelled"), ("extra column", "a dataset without wind")],
)
def test_models_that_answer_other_questions_are_not_compared(gate_project, champion, reason):
    """Refuse to compare with a model of another target or of a column that the dataset lacks."""
    gate_project.make_champion(champion)
    assert reason in rejected(verdict_on(gate_project, *gate_project.register_challenger("strong")))


def test_a_challenger_that_failed_validation_is_rejected(gate_project):
    """Reject a Challenger that failed validation, and name the checks that it failed."""
    assert "validation failed: latency: 9 ms" in rejected(
        verdict_on(gate_project, *gate_project.register_challenger("strong", status="failed"))
    )


def test_a_validation_of_another_model_does_not_count(gate_project):
    """Match the records by digest, and reject a validation of another model."""
    evaluation, validation = gate_project.register_challenger("strong")
    other = validation.model_copy(update={"model_digest": "0" * 64})
    assert "the validation is of another model" in rejected(
        verdict_on(gate_project, evaluation, other)
    )


def test_a_version_whose_tags_say_otherwise_is_rejected(gate_project):
    """Reject if the version's tags and the records do not agree."""
    evaluation, validation = gate_project.register_challenger("strong")
    gate_project.registry.versions[-1].tags["validation_status"] = "pending"
    assert "validation_status pending" in rejected(verdict_on(gate_project, evaluation, validation))


@pytest.mark.parametrize(
    ("line", "instead", "reason"),
    [
        ("seed: 5", "seed: five", "the policy in model.yaml cannot be read"),
        ("metric: log_loss", "metric: brier", "chosen by log_loss"),
        ("seed: 5", "seed: 5\nslices: {columns: [x]}", "no slice of x was measured"),
    ],
)
def test_a_policy_that_cannot_be_applied_rejects(gate_project, line, instead, reason):
    """Reject if the policy cannot be read, or is about something that was not measured."""
    path = gate_project.project / "models" / MODEL / "model.yaml"
    path.write_text(path.read_text().replace(line, instead))
    assert reason in rejected(verdict_on(gate_project, *gate_project.register_challenger("strong")))


def test_too_few_days_are_inconclusive(gate_project):
    """Return inconclusive for seven days, which cannot tell how days differ."""
    short = with_parts(gate_project, days=7)
    verdict = verdict_on(gate_project, *gate_project.register_challenger("strong", dataset=short))
    assert (verdict.verdict, verdict.primary) == ("inconclusive", None)
    assert "at least 8 blocks" in verdict.reasons[0]


@pytest.mark.parametrize(("unmeasured", "verdict"), [("warn", "accept"), ("fail", "reject")])
def test_a_column_of_small_slices_rejects_only_where_the_team_demands_it(
    gate_project, unmeasured, verdict
):
    """Reject unmeasured slices only under `unmeasured: fail`, if every value has too few rows."""
    path = gate_project.project / "models" / MODEL / "model.yaml"
    path.write_text(path.read_text() + f"slices: {{columns: [x], unmeasured: {unmeasured}}}\n")
    evaluation, validation = gate_project.register_challenger("strong")
    small = (SmallSlices(column="x", slices=4, rows=80, largest=20),)
    assert (
        verdict_on(
            gate_project, evaluation.model_copy(update={"small_slices": small}), validation
        ).verdict
        == verdict
    )


def test_who_was_passed_over_and_what_was_warned_of_stand_in_the_verdict(gate_project):
    """Repeat in the verdict the warnings of the evaluation's and the validation's records."""
    evaluation, validation = gate_project.register_challenger("strong")
    evaluation = evaluation.model_copy(update={"passed_over": {"trees": "trees: skill 0.00"}})
    warned = Check(name="leaks", passed=True, detail="x alone tells nearly all", warning=True)
    verdict = verdict_on(
        gate_project,
        evaluation,
        validation.model_copy(update={"checks": (*validation.checks, warned)}),
    )
    assert verdict.warnings == (
        "candidate passed over: trees: skill 0.00",
        "leaks: x alone tells nearly all",
    )


def test_a_registry_that_is_away_gives_no_verdict(gate_project, monkeypatch):
    """Raise an error instead of a reject if the registry does not answer."""
    evaluation, validation = gate_project.register_challenger("strong")

    def away(*args, **kwargs):
        raise RegistryError(
            "prod's MLflow server", expected="an answer", found="none", next_step="start it"
        )

    monkeypatch.setattr(gate_project.registry, "find", away)
    with pytest.raises(RegistryError):
        verdict_on(gate_project, evaluation, validation)


class TestStepAndReplay:
    """Write the verdict down by `decide_verdict`, and reach it again by `replay`."""

    @pytest.fixture
    def decided(self, gate_project, tmp_path, monkeypatch) -> Verdict:
        from titlebout.gate import decide_verdict

        monkeypatch.setenv("TITLEBOUT_PROJECT", str(gate_project.project))
        monkeypatch.setattr(
            Registry, "connect", lambda project, environment: gate_project.registry
        )  # the edge: no server in this test
        gate_project.make_champion("weak")
        evaluation, validation = gate_project.register_challenger("strong")
        for name, record in (
            (EVALUATION_FILE, evaluation),
            (VALIDATION_FILE, validation),
            (MATERIAL_FILE, gate_project.material()),
        ):
            (tmp_path / name).write_text(record.canonical_json())
        self.out = tmp_path / "out"
        return decide_verdict(
            model=MODEL, environment="prod", evaluation=tmp_path, validation=tmp_path, out=self.out
        )

    def test_the_verdict_is_written_down_everywhere(self, gate_project, decided):
        """Write the verdict to the output, the storage, the run and the tag."""
        assert Verdict.from_json(self.out / "verdict.json") == decided
        assert "ACCEPT: tiny" in (self.out / "verdict.txt").read_text()
        assert (
            gate_project.storage.read_record(
                Verdict, "verdicts", f"{decided.digest}.json", digest=decided.digest
            )
            == decided
        )
        assert gate_project.registry.versions[-1].tags["verdict"] == decided.digest
        assert "run2/verdict.json" in gate_project.registry.logged
        assert "run2/report.html" in gate_project.registry.logged

    def test_the_closing_page_shows_verdict_and_validation(self, decided):
        """Show on the last page the verdict and the validation, which `evaluate` could not know."""
        page = (self.out / "report.html").read_text()
        assert "ACCEPT" in page
        assert html.escape(decided.reasons[0], quote=False) in page
        assert "passed, 1 of 1 checks" in page
        assert decided.digest[:16] in page

    def test_how_far_the_two_were_apart_is_recorded(self, decided):
        """Record the share of different predictions for the bake; classes have no spread."""
        assert 0 < decided.disagreement.share < 1
        assert decided.disagreement.spread is None

    def test_it_is_reached_again_after_champion_and_policy_changed(self, gate_project, decided):
        """Reach the same verdict by digest and by file, with another Champion and policy since."""
        gate_project.make_champion("strong")
        path = gate_project.project / "models" / MODEL / "model.yaml"
        path.write_text(path.read_text().replace("0.02", "0.5"))
        assert replay(gate_project.project, gate_project.environment, decided.digest) == (
            decided,
            True,
        )
        assert replay(
            gate_project.project, gate_project.environment, str(self.out / "verdict.json")
        ) == (
            decided,
            True,
        )
        assert replay(gate_project.project, gate_project.environment, decided.digest[:12]) == (
            decided,
            True,
        )

    def test_an_altered_record_is_found(self, gate_project, decided):
        """Find an altered record in storage, and in a copy."""
        for path in (
            Path(gate_project.storage.address("verdicts", f"{decided.digest}.json")),
            self.out / "verdict.json",
        ):
            content = json.loads(path.read_text())
            content["primary"]["low"] += 0.001
            path.write_text(json.dumps(content))
        with pytest.raises(IntegrityError, match="altered"):
            replay(gate_project.project, gate_project.environment, decided.digest)
        with pytest.raises(IntegrityError, match="altered"):
            replay(gate_project.project, gate_project.environment, str(self.out / "verdict.json"))

    def test_an_altered_artifact_is_found(self, gate_project, decided):
        """Reach another verdict if the Champion's artifact was altered."""
        flip_a_byte(
            gate_project.registry.root / gate_project.registry.champion.version / "model.skops"
        )
        verdict, same = replay(gate_project.project, gate_project.environment, decided.digest)
        assert (verdict.verdict, same) == ("reject", False)

    @pytest.mark.parametrize("record", ["abc", "../verdicts/x", "", "zzzzzzzzzzzz", "0" * 65])
    def test_what_is_no_digest_becomes_no_path(self, gate_project, record):
        """Refuse what is too short, too long or no digest, before it becomes a path."""
        with pytest.raises(DataError, match="8 characters or more"):
            replay(gate_project.project, gate_project.environment, record)

    def test_a_beginning_of_two_digests_names_both(self, gate_project):
        """Name both verdicts that begin so, and reach neither again."""
        for end in "12":
            gate_project.storage.write(b"{}", "verdicts", f"{'0' * 63}{end}.json")
        with pytest.raises(DataError, match=r"2 that begin so: 0{63}1, 0{63}2"):
            replay(gate_project.project, gate_project.environment, "0" * 12)

    def test_an_unknown_verdict_is_no_record(self, gate_project, decided):
        """Say that there is no such record."""
        with pytest.raises(DataError, match="a verdict that the gate recorded"):
            replay(gate_project.project, gate_project.environment, "f" * 64)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def with_parts(
    gate_project: GateProject,
    *,
    train: str = "train",
    validation: str = "validation",
    days: int | None = None,
) -> Dataset:
    """Freeze another dataset from this one's parts.

    The holdout's rows are among the earlier ones, or the holdout is short.
    """
    from titlebout.data import load_part
    from titlebout.data.datasets import freeze, rows_digest

    frames = {
        name: load_part(gate_project.storage, gate_project.dataset, part)
        for name, part in (("train", train), ("validation", validation), ("holdout", "holdout"))
    }
    parts = {name: (part.frame, part.hashes) for name, part in frames.items()}
    if days is not None:
        keep = frames["holdout"].days < days
        parts["holdout"] = (
            frames["holdout"].frame[keep].reset_index(drop=True),
            frames["holdout"].hashes[keep],
        )
    records = {
        name: gate_project.dataset.parts[name].model_copy(
            update={"rows": len(frame), "rows_digest": rows_digest(frame, hashes)}
        )
        for name, (frame, hashes) in parts.items()
    }
    dataset = gate_project.dataset.model_copy(update={"parts": records})
    freeze(gate_project.storage, dataset, parts)
    return dataset
