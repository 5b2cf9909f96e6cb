"""Find columns that may leak the target.

The question is whether the value is known when the prediction is made, or only after the target.
Data alone cannot distinguish a leak from a very good column. So there are two levels: a strong
column is named, and a suspicious one gives a warning. `benchmarks/leak_error_rates.py` simulates
how often either level is wrong.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from titlebout.data import NEARLY_PERFECT, SAMPLE_ROWS, PartRows, skill_alone, skill_together
from titlebout.spec import Leak, ModelSpec, Task

if TYPE_CHECKING:
    import pandas as pd

# For a flight's late arrival the best honest column has 0.19, the departure's own delay 0.76.
STRONG_SKILL = 0.6
STRONG_SHARE = 0.8  # of the skill of all columns together that a strong one reaches alone
# Of the skill of all columns together that a suspicious one reaches alone, while the others keep
# less than CONFIRMED_SHARE.
LONELY_SHARE = 0.93
# Where the others keep half of the skill, they confirm the column. A diamond's measures confirm its
# carat, a petal's length its width.
CONFIRMED_SHARE = 0.5
# A leak may need a partner: an actual departure shows a delay by its distance from the scheduled
# one. Skills of honest columns add up; these two have together what neither has alone. Measured,
# column alone plus all others: 0.8 (departure) and 0.6 (arrival) of the skill of all.
SYNERGY_SHARE = 0.9
# So many of the model's most important columns are tested for a leak that needs a partner.
TESTED_COLUMNS = 5


class Skills(NamedTuple):
    """Hold the skill of one column alone, of all columns, and of all but this one."""

    alone: float
    together: float
    without: float


def find_leaks(
    spec: ModelSpec, train: PartRows, *, importance: dict[str, float]
) -> tuple[Leak, ...]:
    """Return the strong and the suspicious features, by skill on training rows, out of fold.

    Every feature is tested alone, and the most important ones also by leaving them out.
    """
    picked = np.random.default_rng(spec.seed).permutation(len(train.y))[:SAMPLE_ROWS]
    X, y = train.X.iloc[picked].reset_index(drop=True), train.y[picked]
    together = skill_together(X, y, task=spec.task, seed=spec.seed)
    alone = {
        name: skill_alone(X[_parts(name, X)], y, task=spec.task, seed=spec.seed)
        for name in spec.columns
    }
    important = sorted(importance, key=lambda name: -importance[name])[:TESTED_COLUMNS]
    found = []
    for name in spec.columns:
        if not (
            _is_strong(alone[name], together) or (together >= STRONG_SKILL and name in important)
        ):
            continue
        others = X.drop(columns=_parts(name, X))
        if not others.shape[1] and alone[name] < NEARLY_PERFECT[spec.task]:
            continue  # the only feature has all the skill, which says nothing about a leak
        without = (
            skill_together(others, y, task=spec.task, seed=spec.seed) if others.shape[1] else 0.0
        )
        if leak := judge_column(name, Skills(alone[name], together, without), task=spec.task):
            found.append(leak)
    return tuple(found)


def judge_column(name: str, skills: Skills, *, task: Task) -> Leak | None:
    """Return the leak that the skills show, or None if the column is not even strong."""
    alone, together, without = skills
    strong, confirmed = _is_strong(alone, together), without > CONFIRMED_SHARE * together
    if strong and alone >= NEARLY_PERFECT[task]:
        why = f"{name} alone predicts nearly all of the target (skill {alone:.2f})"
    elif strong and not confirmed and alone >= LONELY_SHARE * together:
        why = f"{name} alone has skill {alone:.2f}, all other features together {without:.2f}"
    elif together >= STRONG_SKILL and not confirmed and alone + without <= SYNERGY_SHARE * together:
        why = (
            f"without {name} the skill falls from {together:.2f} to {without:.2f}, "
            f"though alone it has {alone:.2f}"
        )
    else:
        evidence = (
            f"{name} is a strong feature: alone it has skill {alone:.2f}, "
            f"all together {together:.2f}, the others {without:.2f}"
        )
        return _leak(name, "strong", evidence, skills) if strong else None
    return _leak(name, "suspicious", f"{why}: is it known when the prediction is made?", skills)


def _leak(name: str, level: str, evidence: str, skills: Skills) -> Leak:
    return Leak(
        column=name,
        level=level,  # type: ignore[arg-type]
        evidence=evidence,
        skill_alone=skills.alone,
        skill_of_model=skills.together,
        skill_without=skills.without,
    )


def _is_strong(alone: float, together: float) -> bool:
    return alone >= STRONG_SKILL and alone >= STRONG_SHARE * together


def _parts(name: str, X: "pd.DataFrame") -> list[str]:
    """Return the model columns of a feature; a date has several."""
    return [str(column) for column in X if column == name or str(column).startswith(f"{name}.")]
