"""The bout with real data and real model folders: the better one wins, and whatever is wrong is a reject with its reason."""

import html
import json
import shutil
from pathlib import Path

import pytest
from support.gate_project import MODEL, Arena, FolderRegistry, build

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
def built(tmp_path_factory) -> Arena:
    return build(tmp_path_factory.mktemp("arena"))


@pytest.fixture
def arena(built: Arena, tmp_path: Path) -> Arena:
    """A copy of its own, which a test may damage."""
    project = Path(shutil.copytree(built.project, tmp_path / "project"))
    fresh = Arena(
        project,
        built.environment,
        type(built.storage)(str(project / "store")),
        FolderRegistry(project / "registry"),
        built.dataset,
        {},
    )
    return Arena(
        **{**vars(fresh), "models": {name: project / "fitted" / name for name in built.models}}
    )


def verdict_on(arena: Arena, evaluation, validation) -> Verdict:
    case = gather_input(
        arena.project,
        arena.environment,
        arena.registry,
        evaluation=evaluation,
        validation=validation,
    )
    return run_gate(case, arena.registry, arena.storage)


def rejected(verdict: Verdict) -> str:
    assert (verdict.verdict, verdict.primary) == ("reject", None)
    return " ".join(verdict.reasons)


def test_without_a_champion_the_baseline_stands_in(arena):
    """And a model that has learnt something beats it."""
    verdict = verdict_on(arena, *arena.challenge("strong"))
    assert (verdict.verdict, verdict.opponent) == ("accept", "baseline")
    assert verdict.holdout == arena.dataset.parts["holdout"].rows_digest
    assert verdict.primary.rows == arena.dataset.parts["holdout"].rows


def test_the_stronger_challenger_beats_the_champion_and_the_weaker_does_not(arena):
    """Both re-scored on the Challenger's holdout."""
    champion = arena.crown("weak")
    won = verdict_on(arena, *arena.challenge("strong"))
    assert (won.verdict, won.opponent, won.opponent_digest) == (
        "accept",
        "champion",
        champion.digest,
    )
    arena.crown("strong")
    assert verdict_on(arena, *arena.challenge("weak")).verdict == "reject"


def test_the_champion_as_challenger_is_rejected(arena):
    """The same training gave the same model."""
    arena.crown("strong")
    assert "the Challenger is the Champion" in rejected(
        verdict_on(arena, *arena.challenge("strong"))
    )


def test_an_environment_may_ask_for_the_baseline_always(arena):
    """dev serves nothing, and has no Champion to meet."""
    arena.crown("strong")
    strict = arena.environment.gate.model_copy(update={"opponent": "baseline"})
    arena.environment = arena.environment.model_copy(update={"gate": strict})
    assert verdict_on(arena, *arena.challenge("weak")).opponent == "baseline"


def test_a_challenger_trained_on_holdout_rows_is_rejected(arena):
    """Its dataset's training part holds the holdout's rows; the broken variant, a gate that does not look, would accept it."""
    cheating = with_parts(arena, train="holdout")
    reason = rejected(verdict_on(arena, *arena.challenge("strong", dataset=cheating)))
    assert "no row of the holdout among them; found" in reason


def test_a_champion_trained_on_holdout_rows_is_rejected(arena):
    """Then its figures on them would say nothing."""
    champion = arena.crown("weak")
    champion.tags["dataset"] = with_parts(arena, validation="holdout").digest
    assert "the Champion was trained on" in rejected(verdict_on(arena, *arena.challenge("strong")))


@pytest.mark.parametrize("who", ["Challenger", "Champion"])
@pytest.mark.parametrize(
    ("until", "outcome"),
    [("before the holdout", "accept"), ("in the holdout", "reject"), ("not said", "reject")],
)
def test_rows_that_settings_were_tuned_on_count_as_seen(arena, who, until, outcome):
    """Anywhere: the lock names them, and the holdout must not have one; settings of which it is not known are no proof either."""
    champion = arena.crown("weak")
    evaluation, validation = arena.challenge("strong")
    tuned = champion if who == "Champion" else arena.registry.versions[-1]
    tuned.tags["tuned_on"] = tuned_on(arena, until)
    verdict = verdict_on(arena, evaluation, validation)
    assert verdict.verdict == outcome
    if outcome == "reject":
        assert f"the {who}'s settings were tuned on" in rejected(verdict)
        assert "; next: tune again" in rejected(verdict)


def tuned_on(arena: Arena, until: str) -> str:
    """Keep a record of rows tuned on elsewhere, as the training step does, and return its digest."""
    if until == "not said":
        return keep_seen(arena.storage, None)
    part = "validation" if until == "before the holdout" else "holdout"
    last = arena.dataset.parts[part].last_time
    seen = SeenRows(
        dataset="d" * 64,
        split=arena.dataset.split,
        key_columns=("x",),
        time_column="day",
        since="2010-01-01",
        until=last,
    )
    return keep_seen(arena.storage, seen)


def test_a_verdict_says_what_was_proved_of_the_holdout(arena):
    """Rows, not entities."""
    verdict = verdict_on(arena, *arena.challenge("strong"))
    assert "rows are proved, not entities" in verdict.unseen
    assert f"proved {verdict.unseen}" in explain(verdict)


@pytest.mark.parametrize("broken", ["no tag", "no dataset", "no hashes"])
def test_unknown_training_rows_are_rejected(arena, broken):
    """No proof, no accept."""
    champion = arena.crown("weak")
    if broken == "no tag":
        del champion.tags["dataset"]
    else:
        other = with_parts(arena, train="validation")
        champion.tags["dataset"] = other.digest
        gone = Path(arena.storage.address("datasets", other.digest))
        shutil.rmtree(gone) if broken == "no dataset" else (gone / "train.hashes.parquet").unlink()
    assert "the Champion was trained on" in rejected(verdict_on(arena, *arena.challenge("strong")))


def test_an_altered_champion_is_refused(arena):
    """One byte of its artifact differs: it is not even loaded."""
    champion = arena.crown("weak")
    flip_a_byte(arena.registry.root / champion.version / "model.skops")
    assert "the Champion's model: expected model digest" in rejected(
        verdict_on(arena, *arena.challenge("strong"))
    )


def test_an_altered_challenger_is_refused(arena):
    """What was evaluated is what is judged, or nothing is."""
    evaluation, validation = arena.challenge("strong")
    flip_a_byte(arena.registry.root / evaluation.version / "contract.json")
    assert "the Challenger's model" in rejected(verdict_on(arena, evaluation, validation))


def test_an_altered_baseline_is_refused(arena):
    """A weaker opponent cannot be slipped in."""
    evaluation, validation = arena.challenge("strong")
    shutil.copy(
        arena.models["weak"] / "model.skops",
        arena.registry.root / evaluation.run_id / "baseline" / "model.skops",
    )
    assert "the Baseline's model: expected digest" in rejected(
        verdict_on(arena, evaluation, validation)
    )


def test_a_champion_that_cannot_be_loaded_is_rejected(arena):
    """Its digest is right, and its content no model."""
    folder = arena.models["weak"]
    for name in ("model.skops", "model.onnx"):
        if (folder / name).exists():
            (folder / name).write_bytes(b"nothing")
    arena.crown("weak")
    assert "a model that can be loaded" in rejected(verdict_on(arena, *arena.challenge("strong")))


@pytest.mark.parametrize("part", ["holdout.parquet", "holdout.hashes.parquet", "record.json"])
def test_an_altered_dataset_is_rejected(arena, part):
    """Rows, hashes or record."""
    flip_a_byte(Path(arena.storage.address("datasets", arena.dataset.digest, part)))
    rejected(verdict_on(arena, *arena.challenge("strong")))


@pytest.mark.parametrize(
    ("champion", "reason"), [("other", "target cancelled"), ("hungry", "a dataset without wind")]
)
def test_models_that_answer_other_questions_are_not_compared(arena, champion, reason):
    """Another target, or a column that the dataset does not hold."""
    arena.crown(champion)
    assert reason in rejected(verdict_on(arena, *arena.challenge("strong")))


def test_a_challenger_that_failed_validation_is_rejected(arena):
    """With the checks that it failed."""
    assert "validation failed: latency: 9 ms" in rejected(
        verdict_on(arena, *arena.challenge("strong", status="failed"))
    )


def test_a_validation_of_another_model_does_not_count(arena):
    """Records are matched by digest."""
    evaluation, validation = arena.challenge("strong")
    other = validation.model_copy(update={"model_digest": "0" * 64})
    assert "the validation is of another model" in rejected(verdict_on(arena, evaluation, other))


def test_a_version_whose_tags_say_otherwise_is_rejected(arena):
    """The registry's word and the records must agree."""
    evaluation, validation = arena.challenge("strong")
    arena.registry.versions[-1].tags["validation_status"] = "pending"
    assert "validation_status pending" in rejected(verdict_on(arena, evaluation, validation))


@pytest.mark.parametrize(
    ("line", "instead", "reason"),
    [
        ("seed: 5", "seed: five", "the policy in model.yaml cannot be read"),
        ("metric: log_loss", "metric: brier", "chosen by log_loss"),
        ("seed: 5", "seed: 5\nslices: {columns: [x]}", "no slice of x was measured"),
    ],
)
def test_a_policy_that_cannot_be_applied_rejects(arena, line, instead, reason):
    """Unreadable, or about something that was not measured."""
    path = arena.project / "models" / MODEL / "model.yaml"
    path.write_text(path.read_text().replace(line, instead))
    assert reason in rejected(verdict_on(arena, *arena.challenge("strong")))


def test_too_few_days_are_inconclusive(arena):
    """Seven days cannot tell how days differ, which speaks against neither model."""
    short = with_parts(arena, days=7)
    verdict = verdict_on(arena, *arena.challenge("strong", dataset=short))
    assert (verdict.verdict, verdict.primary) == ("inconclusive", None)
    assert "at least 8 blocks" in verdict.reasons[0]


@pytest.mark.parametrize(("unmeasured", "verdict"), [("warn", "accept"), ("fail", "reject")])
def test_a_column_of_small_slices_rejects_only_where_the_team_demands_it(
    arena, unmeasured, verdict
):
    """The evaluation looked, and found too few rows of every value."""
    path = arena.project / "models" / MODEL / "model.yaml"
    path.write_text(path.read_text() + f"slices: {{columns: [x], unmeasured: {unmeasured}}}\n")
    evaluation, validation = arena.challenge("strong")
    small = (SmallSlices(column="x", slices=4, rows=80, largest=20),)
    assert (
        verdict_on(arena, evaluation.model_copy(update={"small_slices": small}), validation).verdict
        == verdict
    )


def test_who_was_passed_over_and_what_was_warned_of_stand_in_the_verdict(arena):
    """The records of evaluation and validation say it; the verdict repeats it."""
    evaluation, validation = arena.challenge("strong")
    evaluation = evaluation.model_copy(update={"passed_over": {"trees": "trees: skill 0.00"}})
    warned = Check(name="leaks", passed=True, detail="x alone tells nearly all", warning=True)
    verdict = verdict_on(
        arena, evaluation, validation.model_copy(update={"checks": (*validation.checks, warned)})
    )
    assert verdict.warnings == (
        "candidate passed over: trees: skill 0.00",
        "leaks: x alone tells nearly all",
    )


def test_a_registry_that_is_away_gives_no_verdict(arena, monkeypatch):
    """Nothing is known about the Challenger then: an error, not a reject."""
    evaluation, validation = arena.challenge("strong")

    def away(*args, **kwargs):
        raise RegistryError(
            "prod's MLflow server", expected="an answer", found="none", next_step="start it"
        )

    monkeypatch.setattr(arena.registry, "find", away)
    with pytest.raises(RegistryError):
        verdict_on(arena, evaluation, validation)


class TestStepAndReplay:
    """`decide` writes the verdict down, and `replay` reaches it again from what is written."""

    @pytest.fixture
    def decided(self, arena, tmp_path, monkeypatch) -> Verdict:
        from titlebout.gate import decide_verdict

        monkeypatch.setenv("TITLEBOUT_PROJECT", str(arena.project))
        monkeypatch.setattr(
            Registry, "connect", lambda project, environment: arena.registry
        )  # the edge: no server in this test
        arena.crown("weak")
        evaluation, validation = arena.challenge("strong")
        for name, record in (
            (EVALUATION_FILE, evaluation),
            (VALIDATION_FILE, validation),
            (MATERIAL_FILE, arena.material()),
        ):
            (tmp_path / name).write_text(record.canonical_json())
        self.out = tmp_path / "out"
        return decide_verdict(
            model=MODEL, environment="prod", evaluation=tmp_path, validation=tmp_path, out=self.out
        )

    def test_the_verdict_is_written_down_everywhere(self, arena, decided):
        """Output, storage, run and tag."""
        assert Verdict.from_json(self.out / "verdict.json") == decided
        assert "ACCEPT: tiny" in (self.out / "verdict.txt").read_text()
        assert (
            arena.storage.read_record(
                Verdict, "verdicts", f"{decided.digest}.json", digest=decided.digest
            )
            == decided
        )
        assert arena.registry.versions[-1].tags["verdict"] == decided.digest
        assert "run2/verdict.json" in arena.registry.logged
        assert "run2/report.html" in arena.registry.logged

    def test_the_closing_page_shows_verdict_and_validation(self, decided):
        """What `evaluate` could not know when it wrote the page."""
        page = (self.out / "report.html").read_text()
        assert "ACCEPT" in page
        assert html.escape(decided.reasons[0], quote=False) in page
        assert "passed, 1 of 1 checks" in page
        assert decided.digest[:16] in page

    def test_how_far_the_two_were_apart_is_recorded(self, decided):
        """The bake compares with it: a share of the holdout's rows, and no spread for classes."""
        assert 0 < decided.disagreement.share < 1
        assert decided.disagreement.spread is None

    def test_it_is_reached_again_even_after_the_world_moved_on(self, arena, decided):
        """Another Champion and another policy since; by digest and by file."""
        arena.crown("strong")
        path = arena.project / "models" / MODEL / "model.yaml"
        path.write_text(path.read_text().replace("0.02", "0.5"))
        assert replay(arena.project, arena.environment, decided.digest) == (decided, True)
        assert replay(arena.project, arena.environment, str(self.out / "verdict.json")) == (
            decided,
            True,
        )
        assert replay(arena.project, arena.environment, decided.digest[:12]) == (decided, True)

    def test_an_altered_record_is_found(self, arena, decided):
        """In storage, and in a copy."""
        for path in (
            Path(arena.storage.address("verdicts", f"{decided.digest}.json")),
            self.out / "verdict.json",
        ):
            content = json.loads(path.read_text())
            content["primary"]["low"] += 0.001
            path.write_text(json.dumps(content))
        with pytest.raises(IntegrityError, match="altered"):
            replay(arena.project, arena.environment, decided.digest)
        with pytest.raises(IntegrityError, match="altered"):
            replay(arena.project, arena.environment, str(self.out / "verdict.json"))

    def test_an_altered_artifact_is_found(self, arena, decided):
        """The bout cannot be held again with it."""
        flip_a_byte(arena.registry.root / arena.registry.champion.version / "model.skops")
        verdict, same = replay(arena.project, arena.environment, decided.digest)
        assert (verdict.verdict, same) == ("reject", False)

    @pytest.mark.parametrize("record", ["abc", "../verdicts/x", "", "zzzzzzzzzzzz", "0" * 65])
    def test_what_is_no_digest_becomes_no_path(self, arena, record):
        """Too short, too long, or no digest at all."""
        with pytest.raises(DataError, match="8 characters or more"):
            replay(arena.project, arena.environment, record)

    def test_a_beginning_of_two_digests_names_both(self, arena):
        """And neither is heard again."""
        for end in "12":
            arena.storage.write(b"{}", "verdicts", f"{'0' * 63}{end}.json")
        with pytest.raises(DataError, match=r"2 that begin so: 0{63}1, 0{63}2"):
            replay(arena.project, arena.environment, "0" * 12)

    def test_an_unknown_verdict_is_no_record(self, arena, decided):
        """The message says so."""
        with pytest.raises(DataError, match="a verdict that the gate recorded"):
            replay(arena.project, arena.environment, "f" * 64)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def with_parts(
    arena: Arena, *, train: str = "train", validation: str = "validation", days: int | None = None
) -> Dataset:
    """Freeze another dataset from this one's parts: with the holdout's rows among the earlier ones, or with a short holdout."""
    from titlebout.data import load_part
    from titlebout.data.datasets import freeze, rows_digest

    frames = {
        name: load_part(arena.storage, arena.dataset, part)
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
        name: arena.dataset.parts[name].model_copy(
            update={"rows": len(frame), "rows_digest": rows_digest(frame, hashes)}
        )
        for name, (frame, hashes) in parts.items()
    }
    dataset = arena.dataset.model_copy(update={"parts": records})
    freeze(arena.storage, dataset, parts)
    return dataset
