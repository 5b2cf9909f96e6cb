"""9999-12-31 stands for no end: it is no time at which a row happened."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project_tables import make_project, prepared, spec_of, write

from titlebout.scaffold import infer_spec
from titlebout.spec import DataError


def table() -> pd.DataFrame:
    """Contracts that began on 200 days; two thirds have not ended yet."""
    random, began = (
        np.random.default_rng(1),
        pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400) // 2, unit="D"),
    )
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
    """Neither a crash at the end of the calendar, nor two thirds of the rows gone without a word."""
    project = make_project(tmp_path)
    write(project, table())
    spec = spec_of({"amount": "number"}, time_column="valid_to", split={"by": "time"})
    with pytest.raises(DataError, match="266 rows in the year 9999, which stands for no end"):
        prepared(project, spec, as_of=as_of)


def test_a_first_model_is_split_by_another_column(tmp_path: Path):
    """`valid_to` has more different days than nothing, but says of most rows only that they are not over."""
    table().to_csv(tmp_path / "t.csv", index=False)
    assert infer_spec("tried", tmp_path / "t.csv", "y").spec.time_column == "began"
    table().drop(columns="began").to_csv(tmp_path / "t.csv", index=False)
    assert infer_spec("tried", tmp_path / "t.csv", "y").spec.time_column is None
