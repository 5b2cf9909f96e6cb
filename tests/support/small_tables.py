"""Generate small tables like those that people have: 30 to 400 rows, of every type and task.

They have unusual names, missing values and noise. Some have no signal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NAMES = (
    "größe",
    "日本",
    "a b",
    "x.1",
    "Gross_$_(USD_$)",
    "it's",
    "label",
    "time",
    "index",
    "Q3: how?",
    "#rooms",
    "год",
)
TASKS = ("binary", "multiclass", "regression")
LEAST_ROWS = 30
MOST_ROWS = 400


@dataclass(frozen=True)
class SmallTable:
    """Hold a generated table.

    `strength` is how much of the target's spread the columns tell: 0 none, 1 nearly all.
    """

    name: str
    frame: pd.DataFrame
    target: str
    task: str
    strength: float

    def write(self, folder: Path) -> Path:
        """Write the table as CSV, and return its path."""
        path = folder / f"{self.name}.csv"
        self.frame.to_csv(path, index=False)
        return path


def small_table(seed: int) -> SmallTable:
    """Return the table of a seed, always the same one.

    Every third table has at most 80 rows. Every fifth has no signal.
    """
    random = np.random.default_rng(seed)
    rows = int(random.integers(LEAST_ROWS, 80 if seed % 3 == 0 else MOST_ROWS))
    strength = 0.0 if seed % 5 == 4 else float(random.choice([0.5, 0.9, 0.99]))
    signal = random.normal(size=rows)
    columns = _columns(random, signal, rows)
    task = TASKS[seed % 3]
    latent = strength * signal + np.sqrt(1 - strength**2) * random.normal(size=rows)
    target = str(random.choice(["target", "y", "Ergebnis"]))
    frame = pd.DataFrame({**columns, target: _target(random, latent, task)})
    return SmallTable(
        f"small-{seed}",
        frame.sample(frac=1, random_state=seed).reset_index(drop=True),
        target,
        task,
        strength,
    )


def _columns(
    random: np.random.Generator, signal: NDArray[np.float64], rows: int
) -> dict[str, object]:
    """Return the signal as a number, and columns of other types in any order under any names.

    Some have missing values.
    """
    makers = [
        lambda: random.normal(size=rows).round(int(random.integers(0, 6))),
        lambda: random.integers(0, 2, rows),
        lambda: random.integers(-5, 50, rows),
        lambda: random.random(rows) < 0.4,
        lambda: random.choice(["red", "green", "blue, dark", "élan"], rows),
        lambda: random.choice([f"v{number}" for number in range(8)], rows),
        lambda: random.choice([f"zip {number:05d}" for number in range(40)], rows),
        lambda: (
            pd.Series(pd.date_range("1950-01-01", periods=rows, freq="11D"))
            .dt.strftime("%Y-%m-%d")
            .to_numpy()
        ),
        lambda: np.where(signal + random.normal(size=rows) > 0, "high", "low"),
        lambda: np.exp(3 * random.normal(size=rows)),
        lambda: np.arange(rows) + 1000,
    ]
    names = random.permutation(NAMES)
    columns: dict[str, object] = {"signal": signal}
    for number in range(int(random.integers(1, 7))):
        make: Callable[[], np.ndarray] = makers[int(random.integers(len(makers)))]
        values = pd.Series(make())
        columns[str(names[number])] = (
            values.where(random.random(rows) > 0.1).to_numpy()
            if random.random() < 0.3
            else values.to_numpy()
        )
    return columns


def _target(
    random: np.random.Generator, latent: NDArray[np.float64], task: str
) -> NDArray[np.object_] | NDArray[np.float64]:
    if task == "regression":
        return np.asarray(np.exp(latent) if random.random() < 0.3 else 100 * latent + 7)
    if task == "multiclass":
        cuts = np.quantile(latent, [0.33, 0.66] if random.random() < 0.7 else [0.3, 0.6, 0.8])
        return np.array(["low", "middle", "high", "top"], dtype=object)[np.digitize(latent, cuts)]
    positives = max(6, int(len(latent) * random.choice([0.05, 0.2, 0.5])))
    return np.where(latent >= np.sort(latent)[-positives], "yes", "no").astype(object)
