"""Release what was trained: refuse an edited model.yaml, unless only texts differ."""

import re

import pytest
from support.release_project import ENVIRONMENT, MODEL

from titlebout.release.verify import verify
from titlebout.spec import (
    CONFIGURATION_TAG,
    IntegrityError,
    NotAllowed,
    Override,
    Release,
    load_model_spec,
)
from titlebout.storage import layout

EDITS = {
    "the service objective": (
        {"service": {"p99_ms": 5000, "requests_per_second": 40}},
        "service.p99_ms is 5000.0, and was 1000.0",
    ),
    "a column": ({"columns": {"x": {"type": "number"}, "z": {"type": "category"}}}, "columns.z is"),
    "a column's type": (
        {"columns": {"x": {"type": "category"}}},
        "columns.x.type is 'category', and was 'number'",
    ),
    "the target": ({"target": {"column": "z"}}, "target.column is 'z', and was 'y'"),
    "the costs that set the threshold": (
        {
            "brief": {
                "question": "is it one",
                "decided_by": "a test",
                "error_cost": "nothing",
                "error_costs": {"false_positive": 9},
            }
        },
        "brief.error_costs.false_positive is 9.0, and was 1.0",
    ),
    "a threshold": ({"thresholds": {"rmse": 3.0}}, "thresholds.rmse is 3.0, and was None"),
    "the gate's policy": (
        {"gate": {"require": "non_inferiority", "margin": 0.5}},
        "gate.margin is 0.5, and was 0.0",
    ),
    "the seed": ({"seed": 7}, "seed is 7, and was 0"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_between_training_and_release_is_refused_by_name(release_project, edit):
    """Package and deploy nothing, with an override, too; the live release stays."""
    _, first = release_project.released("a")
    release_project.challenger(name="b")
    more, named = EDITS[edit]
    release_project.edit_model_yaml(**more)
    lines = []
    for override in (None, Override(by="ann", reason="it is urgent")):
        with pytest.raises(NotAllowed, match=re.escape(named)):
            release_project.release(override=override, progress=lines.append)
    assert not any(line.startswith(("package", "deploy")) for line in lines)
    assert release_project.answers_with() == first.release


def test_an_edit_of_words_alone_is_named_and_changes_no_release(release_project):
    """Release the same Challenger with the configuration that was trained."""
    trained = load_model_spec(release_project.project, MODEL).digest
    release_project.challenger(name="a")
    release_project.edit_model_yaml(
        brief={"question": "is it two", "decided_by": "a test", "error_cost": "nothing"}
    )
    lines = []
    outcome = release_project.release(progress=lines.append)
    record = release_project.storage.read_record(Release, "releases", f"{outcome.release}.json")
    assert (
        record.configuration_digest
        == trained
        != load_model_spec(release_project.project, MODEL).digest
    )
    assert any("brief.question is 'is it two', and was 'is it one'" in line for line in lines)
    assert verify(release_project.project, ENVIRONMENT) == []


def test_a_comment_in_model_yaml_is_no_edit(release_project):
    """Compare what model.yaml says, not how it is written."""
    release_project.challenger(name="a")
    path = release_project.project / "models" / MODEL / "model.yaml"
    path.write_text(f"# a comment\n{path.read_text()}")
    lines = []
    assert release_project.release(progress=lines.append).state == "released"
    assert not any("model.yaml" in line for line in lines)


def test_a_version_whose_configuration_is_not_known_is_refused(release_project):
    """Refuse a version without the tag, without the file, and with an altered file."""
    version = release_project.challenger(name="a")
    digest = version.tags[CONFIGURATION_TAG]
    kept = release_project.storage.read(*layout.configuration(digest))
    release_project.storage.write(
        kept.replace(b'"seed":0', b'"seed":1'), *layout.configuration(digest)
    )
    with pytest.raises(IntegrityError, match=f"digest {digest}"):
        release_project.release()
    release_project.storage.filesystem.rm(
        release_project.storage.address("configurations"), recursive=True
    )
    with pytest.raises(IntegrityError, match="restore it from a backup, or train again"):
        release_project.release()
    state = release_project.registry._state()
    del state["versions"][version.version]["configuration_digest"]
    release_project.registry._write(state)
    with pytest.raises(IntegrityError, match="the tag configuration_digest"):
        release_project.release()
