"""Test that a row has the same hash however it is stored, and another row another hash."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project_tables import mixed

from titlebout.data import read_table, row_hashes
from titlebout.data.hashes import unit

KNOWN = pd.DataFrame({"a": [1.5, 2.0], "b": ["x", None], "t": ["2013-01-01", "2013-01-01 05:15"]})
KNOWN_HASHES = (3211135357396780119, 10488601126000507386)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("stored")
    table = mixed()
    table.to_csv(folder / "t.csv", index=False)
    table.to_csv(folder / "semicolons.csv.gz", index=False, sep=";")
    table.astype({"city": "category", "index": "int8", "y": "object"}).to_parquet(
        folder / "t.parquet"
    )
    return {name: read_table(folder / name) for name in ("t.csv", "semicolons.csv.gz", "t.parquet")}


@pytest.mark.parametrize("column", list(mixed(40).columns))
def test_format_leaves_no_trace(stored: dict[str, pd.DataFrame], column: str):
    """Hash each column the same from CSV, compressed CSV, and Parquet with other dtypes."""
    first, *others = [row_hashes(table[[column]]) for table in stored.values()]
    assert all((first == other).all() for other in others)


def test_order_leaves_no_trace(stored: dict[str, pd.DataFrame]):
    """Keep the hashes of permuted rows and of permuted columns."""
    table = stored["t.parquet"]
    order = np.random.default_rng(1).permutation(len(table))
    assert (row_hashes(table.iloc[order]) == row_hashes(table)[order]).all()
    assert (row_hashes(table[table.columns[::-1]]) == row_hashes(table)).all()


def test_duplicates_alone_share_a_hash():
    """Find 600 hashes in 600 different rows and 30 copies."""
    hashes = row_hashes(mixed())
    assert len(hashes) == 630
    assert len(np.unique(hashes)) == 600


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": [1], "b": [2]}, {"a": [2], "b": [1]}),
        ({"a": [None], "b": ["x"]}, {"a": ["x"], "b": [None]}),
        ({"a": [2**62]}, {"a": [2**62 + 1]}),
        ({"a": [0.1]}, {"a": [np.nextafter(0.1, 1)]}),
        ({"a": ["é"]}, {"a": ["e"]}),
        ({"a": [1000]}, {"a": pd.to_datetime(["1970-01-01 00:00:00.001"])}),
    ],
)
def test_another_row_has_another_hash(one: dict, other: dict):
    """Tell apart rows that differ in the smallest way."""
    assert row_hashes(pd.DataFrame(one))[0] != row_hashes(pd.DataFrame(other))[0]


@pytest.mark.parametrize(
    "same",
    [
        [3, 3.0, "3", "3.0", " 3", "+3", np.float32(3)],
        [True, "True", "true", 1],
        [None, np.nan, "", " ", pd.NaT],
        [pd.Timestamp("2013-01-01"), "2013-01-01", "2013-01-01 00:00:00", "2013-01-01T00:00:00Z"],
        [2**62, str(2**62)],
        [float("inf"), "inf"],
        [0.0, -0.0, "-0"],
    ],
)
def test_a_value_is_what_it_says(same: list):
    """Ignore how one and the same value is spelled."""
    assert len({int(row_hashes(pd.DataFrame({"a": [value]}))[0]) for value in same}) == 1


def test_a_column_that_is_still_empty_changes_no_hash():
    """Keep the hashes of old rows if a source gets a new, empty column."""
    table = mixed(50)
    assert (row_hashes(table) == row_hashes(table.assign(new=None))).all()


def test_hashes_are_those_of_last_year():
    """Keep these fixed hashes, so that no update of a library moves every row."""
    assert tuple(row_hashes(KNOWN).tolist()) == KNOWN_HASHES


def test_places_are_uniform_and_salts_independent():
    """Give each threshold its share, also among the rows that another salt has chosen."""
    hashes = row_hashes(pd.DataFrame({"a": np.arange(100_000)}))
    numbers, others = unit(hashes, salt="split"), unit(hashes, salt="fraction")
    assert np.histogram(numbers, bins=10, range=(0, 1))[0] / 1e5 == pytest.approx(
        np.full(10, 0.1), abs=0.005
    )
    assert (numbers[others < 0.1] < 0.2).mean() == pytest.approx(0.2, abs=0.015)


def test_reading_needs_no_pandas_types(tmp_path: Path):
    """Read a written float back as the same double, at all magnitudes."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=2_000) * 10.0 ** rng.integers(-300, 300, 2_000)
    pd.DataFrame({"v": values}).to_csv(tmp_path / "v.csv", index=False)
    from titlebout.data.wire import to_wire

    assert (
        to_wire(read_table(tmp_path / "v.csv")["v"], "number", None).values.to_numpy() == values
    ).all()
