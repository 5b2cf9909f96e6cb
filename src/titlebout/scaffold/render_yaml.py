"""Write a ModelSpec as a model.yaml that a person will edit.

Lines are short, and a comment stands beside every guess.
"""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from titlebout.spec import ISO, Candidate, ModelSpec, one_line

SCHEMA = "# yaml-language-server: $schema=../../docs/schemas/model.schema.json"
EDIT = "EDIT"


def render_yaml(spec: ModelSpec, notes: Mapping[str, str]) -> str:
    """Return the text of model.yaml, which `ModelSpec.from_yaml` reads as `spec`.

    `notes` says what to write beside each dotted key.
    """
    lines = [
        SCHEMA,
        f"# Made by `titlebout new` from a table of {one_line(notes.get('file', 'unknown size'))}.",
        "# Every value is a guess; the comments say why.",
        f"# Change what is wrong, and the lines marked {EDIT}. All keys: docs/model-yaml.md",
        f"name: {_render_value(spec.name)}",
        f"owner: {_render_value(spec.owner)}  # {EDIT}: the team that answers for this model",
        *_render_brief(spec),
        "",
        f"source: {_render_value(spec.source.model_dump(exclude_none=True))}",
        _render_line("task", _render_value(spec.task), notes.get("task")),
        _render_line(
            "target", _render_value(spec.target.model_dump(exclude_none=True)), notes.get("target")
        ),
        *_render_time(spec, notes),
        _render_line(
            "missing",
            _render_value(list(spec.missing)),
            notes.get("missing") or "the texts that mean a missing value, in files and requests",
        ),
        *_render_exclude(spec),
        "columns:  # in the order in which the model sees them; "
        "add minimum, maximum, values or nullable: false to have the data checked",
        *(_render_column(spec, name, notes) for name in spec.columns),
        "",
        _render_line("split", _render_value(spec.split.model_dump()), notes.get("split")),
        "candidates:  # a baseline is always trained beside them",
        *(
            line
            for name, candidate in spec.candidates.items()
            for line in _render_candidate(name, candidate)
        ),
        _render_line(
            "tuning",
            _render_value(spec.tuning.model_dump()),
            "only where the environment allows it: dev",
        ),
        *_render_policies(spec),
    ]
    return "\n".join(lines) + "\n"


def _render_brief(spec: ModelSpec) -> list[str]:
    comments = {
        "question": "the business question",
        "decided_by": "who decides by the prediction",
        "error_cost": "what an error costs",
    }
    if spec.task == "binary":
        comments["error_costs"] = "they set the decision threshold"
    brief = spec.brief.model_dump()
    return [
        "brief:",
        *(
            _render_line(f"  {key}", _render_value(brief[key]), f"{EDIT}: {comment}")
            for key, comment in comments.items()
        ),
    ]


def _render_time(spec: ModelSpec, notes: Mapping[str, str]) -> list[str]:
    if spec.time_column is None:
        return []
    return [
        f"time_column: {_render_value(spec.time_column)}",
        _render_line(
            "time_format", _render_value(spec.time_format or ISO), notes.get("time_format")
        ),
    ]


def _render_exclude(spec: ModelSpec) -> list[str]:
    return (
        [
            "exclude:",
            *(
                f"  {_render_value(name)}: {_render_value(why)}"
                for name, why in spec.exclude.items()
            ),
        ]
        if spec.exclude
        else []
    )


def _render_column(spec: ModelSpec, name: str, notes: Mapping[str, str]) -> str:
    declared = spec.columns[name].model_dump(mode="json", exclude_defaults=True)
    return _render_line(
        f"  {_render_value(name)}", _render_value(declared), notes.get(f"columns.{name}")
    )


def _render_candidate(name: str, candidate: Candidate) -> list[str]:
    lines = [f"  {_render_value(name)}:", f"    estimator: {_render_value(candidate.estimator)}"]
    if candidate.settings:
        lines.append(f"    settings: {_render_value(candidate.settings)}")
    if candidate.search:
        lines.append("    search:")
        ranges = {
            key: where.model_dump(mode="json", exclude_defaults=True)
            for key, where in candidate.search.items()
        }
        lines += [
            f"      {_render_value(key)}: {_render_value(where)}" for key, where in ranges.items()
        ]
    return lines


def _render_policies(spec: ModelSpec) -> list[str]:
    return [
        _render_line(
            "metric", _render_value(spec.metric), "what tuning optimises and the gate compares"
        ),
        _render_line(
            "gate",
            _render_value(spec.gate.model_dump()),
            f"{EDIT}: when a Challenger may replace the Champion",
        ),
        _render_line(
            "slices",
            _render_value(spec.slices.model_dump(mode="json", exclude_none=True)),
            "sub-populations whose worst case is checked",
        ),
        _render_line(
            "leaks",
            _render_value(spec.leaks),
            "a column that alone predicts as well as the model: warn or fail",
        ),
        _render_line(
            "service", _render_value(spec.service.model_dump()), f"{EDIT}: what the callers need"
        ),
        f"seed: {_render_value(spec.seed)}",
    ]


def _render_line(key: str, value: str, note: str | None) -> str:
    return f"{key}: {value}" + (f"  # {one_line(note)}" if note else "")


def _render_value(value: Any) -> str:
    """Return the value on one line, quoted if YAML needs it.

    Whole numbers have no decimal point.
    """
    text = yaml.safe_dump(
        [_to_whole_numbers(value)],
        default_flow_style=True,
        allow_unicode=True,
        width=1 << 30,
        sort_keys=False,
    ).strip()[1:-1]
    if text.isprintable():
        return text
    # YAML's quotes would let a line break through
    quoted = json.dumps(_to_whole_numbers(value), ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted)


def _to_whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_whole_numbers(part) for key, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
