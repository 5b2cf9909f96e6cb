"""A ModelSpec as the model.yaml that a person will edit: short lines, a comment beside every guess."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from titlebout.spec import ISO, Candidate, ModelSpec, one_line

SCHEMA = "# yaml-language-server: $schema=../../docs/schemas/model.schema.json"
EDIT = "EDIT"


def render_yaml(spec: ModelSpec, notes: Mapping[str, str]) -> str:
    """`ModelSpec.from_yaml` of it equals `spec`. `notes`: per dotted key what to write beside it."""
    lines = [
        SCHEMA,
        f"# Made by `titlebout new` from a table of {one_line(notes.get('file', 'unknown size'))}.",
        "# Every value is a guess; the comments say why.",
        f"# Change what is wrong, and the lines marked {EDIT}. All keys: docs/model-yaml.md",
        f"name: {_flow(spec.name)}",
        f"owner: {_flow(spec.owner)}  # {EDIT}: the team that answers for this model",
        *_brief(spec),
        "",
        f"source: {_flow(spec.source.model_dump(exclude_none=True))}",
        _line("task", _flow(spec.task), notes.get("task")),
        _line("target", _flow(spec.target.model_dump(exclude_none=True)), notes.get("target")),
        *_time(spec, notes),
        _line(
            "missing",
            _flow(list(spec.missing)),
            notes.get("missing") or "the texts that mean a missing value, in files and requests",
        ),
        *_exclude(spec),
        "columns:  # in the order in which the model sees them; add minimum, maximum, values or nullable: false to have the data checked",
        *(_column(spec, name, notes) for name in spec.columns),
        "",
        _line("split", _flow(spec.split.model_dump()), notes.get("split")),
        "candidates:  # a baseline is always trained beside them",
        *(
            line
            for name, candidate in spec.candidates.items()
            for line in _candidate(name, candidate)
        ),
        _line(
            "tuning", _flow(spec.tuning.model_dump()), "only where the environment allows it: dev"
        ),
        *_judgement(spec),
    ]
    return "\n".join(lines) + "\n"


def _brief(spec: ModelSpec) -> list[str]:
    costs = spec.brief.error_costs.model_dump()
    lines = [
        "brief:",
        f"  question: {_flow(spec.brief.question)}  # {EDIT}: the business question",
        f"  decided_by: {_flow(spec.brief.decided_by)}  # {EDIT}: who decides by the prediction",
        f"  error_cost: {_flow(spec.brief.error_cost)}  # {EDIT}: what an error costs",
    ]
    return (
        [*lines, f"  error_costs: {_flow(costs)}  # {EDIT}: they set the decision threshold"]
        if spec.task == "binary"
        else lines
    )


def _time(spec: ModelSpec, notes: Mapping[str, str]) -> list[str]:
    if spec.time_column is None:
        return []
    return [
        f"time_column: {_flow(spec.time_column)}",
        _line("time_format", _flow(spec.time_format or ISO), notes.get("time_format")),
    ]


def _exclude(spec: ModelSpec) -> list[str]:
    return (
        ["exclude:", *(f"  {_flow(name)}: {_flow(why)}" for name, why in spec.exclude.items())]
        if spec.exclude
        else []
    )


def _column(spec: ModelSpec, name: str, notes: Mapping[str, str]) -> str:
    declared = spec.columns[name].model_dump(mode="json", exclude_defaults=True)
    return _line(f"  {_flow(name)}", _flow(declared), notes.get(f"columns.{name}"))


def _candidate(name: str, candidate: Candidate) -> list[str]:
    lines = [f"  {_flow(name)}:", f"    estimator: {_flow(candidate.estimator)}"]
    if candidate.settings:
        lines.append(f"    settings: {_flow(candidate.settings)}")
    if candidate.search:
        lines.append("    search:")
        ranges = {
            key: where.model_dump(mode="json", exclude_defaults=True)
            for key, where in candidate.search.items()
        }
        lines += [f"      {_flow(key)}: {_flow(where)}" for key, where in ranges.items()]
    return lines


def _judgement(spec: ModelSpec) -> list[str]:
    return [
        _line("metric", _flow(spec.metric), "what tuning optimises and the gate compares"),
        _line(
            "gate",
            _flow(spec.gate.model_dump()),
            f"{EDIT}: when a Challenger may replace the Champion",
        ),
        _line(
            "slices",
            _flow(spec.slices.model_dump(mode="json", exclude_none=True)),
            "sub-populations whose worst case is looked at",
        ),
        _line(
            "leaks",
            _flow(spec.leaks),
            "a column that alone predicts as well as the model: warn or fail",
        ),
        _line("service", _flow(spec.service.model_dump()), f"{EDIT}: what the callers need"),
        f"seed: {_flow(spec.seed)}",
    ]


def _line(key: str, value: str, note: str | None) -> str:
    return f"{key}: {value}" + (f"  # {one_line(note)}" if note else "")


def _flow(value: Any) -> str:
    """On one line, quoted where YAML needs it; whole numbers without a decimal point."""
    text = yaml.safe_dump(
        [_whole(value)], default_flow_style=True, allow_unicode=True, width=1 << 30, sort_keys=False
    ).strip()[1:-1]
    if text.isprintable():
        return text
    quoted = json.dumps(
        _whole(value), ensure_ascii=False
    )  # YAML's quotes would let a line break through
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(part) for key, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value
