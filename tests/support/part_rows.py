"""Make the rows of a part from plain arrays, without a dataset in storage."""

from typing import Any

import numpy as np
import pandas as pd

from titlebout.data import Codes, Labels, PartRows
from titlebout.spec import Column


def part_rows(
    frame: pd.DataFrame | None,
    y: Labels,
    *,
    days: Codes | None = None,
    groups: Codes | None = None,
) -> PartRows:
    """Return the rows. Every column of the frame is a feature: a number, else a category."""
    frame = pd.DataFrame(index=range(len(y))) if frame is None else frame
    return PartRows(
        frame=frame,
        columns={str(name): Column(type=_type(frame[name])) for name in frame},
        y=y,
        hashes=np.arange(len(y), dtype=np.uint64),
        days=days,
        groups=groups,
    )


def _type(values: "pd.Series[Any]") -> Any:
    return "number" if values.dtype.kind in "iuf" else "category"
