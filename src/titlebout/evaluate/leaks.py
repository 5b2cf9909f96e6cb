"""Columns that know too much: was the value known when the prediction is made, or only after the target?

Data alone cannot tell a leak from a very good column. So there are two levels: a strong column is named, a suspicious one is warned of.
`benchmarks/leak_error_rates.py` simulates how often either level is wrong.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from titlebout.data import NEARLY_PERFECT, SAMPLE_ROWS, PartRows, skill_alone, skill_together
from titlebout.spec import Leak, ModelSpec, Task

if TYPE_CHECKING:
    import pandas as pd

STRONG_SKILL = 0.6  # flights' best honest column has 0.19; a departure's own delay 0.76 for the flight's late arrival
STRONG_SHARE = 0.8  # of the skill of all columns together that a strong one reaches alone
LONELY_SHARE = 0.93  # of it that a suspicious one reaches alone, while the others keep less than CONFIRMED_SHARE
# Where the others keep half of the skill they confirm the column: a diamond's measures its carat, a petal's length its width.
CONFIRMED_SHARE = 0.5
# A leak may need a partner: an actual departure tells of a delay by its distance from the scheduled one. Honest columns add up; these two
# know together what neither knows alone. Measured, column alone and all others: 0.8 (departure) and 0.6 (arrival) of what all know.
SYNERGY_SHARE = 0.9
TESTED_COLUMNS = (
    5  # of the model's most important ones, among which a leak that needs a partner is looked for
)


class Skills(NamedTuple):
    """Of one column alone, of all, and of all but this one."""

    alone: float
    together: float
    without: float


def find_leaks(
    spec: ModelSpec, train: PartRows, *, importance: dict[str, float]
) -> tuple[Leak, ...]:
    """Look at every feature alone, and at the most important ones by leaving them out, on training rows and out of fold."""
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
            continue  # the only feature carries all the skill there is, which says nothing of it
        without = (
            skill_together(others, y, task=spec.task, seed=spec.seed) if others.shape[1] else 0.0
        )
        if leak := judge_column(name, Skills(alone[name], together, without), task=spec.task):
            found.append(leak)
    return tuple(found)


def judge_column(name: str, skills: Skills, *, task: Task) -> Leak | None:
    """Return what the three skills say of the column; None if it is neither strong nor suspicious."""
    alone, together, without = skills
    strong, confirmed = _is_strong(alone, together), without > CONFIRMED_SHARE * together
    if strong and alone >= NEARLY_PERFECT[task]:
        why = f"{name} alone tells nearly all of the target (skill {alone:.2f})"
    elif strong and not confirmed and alone >= LONELY_SHARE * together:
        why = f"{name} alone has skill {alone:.2f}, all other features together {without:.2f}"
    elif together >= STRONG_SKILL and not confirmed and alone + without <= SYNERGY_SHARE * together:
        why = f"without {name} the skill falls from {together:.2f} to {without:.2f}, though alone it has {alone:.2f}"
    else:
        words = f"{name} is a strong feature: alone it has skill {alone:.2f}, all together {together:.2f}, the others {without:.2f}"
        return _leak(name, "strong", words, skills) if strong else None
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
