"""Test that 9999-12-31 means no end, and is not a time at which a row happened."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project_tables import make_project, prepared, spec_of, write

from titlebout.scaffold import infer_spec
from titlebout.spec import DataError


def table() -> pd.DataFrame:
    """Return contracts that began on 200 days. Two thirds have not ended yet."""
    random = np.random.default_rng(1)
    began = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400) // 2, unit="D")
    valid_to = [
        str((day + pd.Timedelta(days=90)).date()) if number % 3 == 0 else "9999-12-31"
        for number, day in enumerate(began)
    ]
    return pd.DataFrame(
        {
            "amount": random.normal(size=400),
            "began": began.astype("str"),
            "valid_to": valid_to,
            "y": random.choice(["a", "b"], size=400),
        }
    )


@pytest.mark.parametrize("as_of", [None, "2024-06-01"])
def test_an_open_end_is_no_time_axis(tmp_path: Path, as_of: str | None):
    """Refuse such a time column with a reason. Do not crash, and drop no rows."""
    project = make_project(tmp_path)
    write(project, table())
    spec = spec_of({"amount": "number"}, time_column="valid_to", split={"by": "time"})
    with pytest.raises(DataError, match="266 rows in the year 9999, which stands for no end"):
        prepared(project, spec, as_of=as_of)


def test_a_first_model_is_split_by_another_column(tmp_path: Path):
    """Split by another column, or by row, if most values of a column mean no end."""
    table().to_csv(tmp_path / "t.csv", index=False)
    assert infer_spec("tried", tmp_path / "t.csv", "y").spec.time_column == "began"
    table().drop(columns="began").to_csv(tmp_path / "t.csv", index=False)
    assert infer_spec("tried", tmp_path / "t.csv", "y").spec.time_column is None
