"""Return the table as it was read, with the result beside it: nothing is renamed or lost."""

import csv
import json
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batch_scorer import Scorer

from titlebout.batch import default_output
from titlebout.batch.scored_output import result_names
from titlebout.batch.scoring_pod import fetch
from titlebout.spec import DataError

RESULT = ["prediction", "score.no", "score.yes", "refused", "release", "version"]
LARGE = 2**53 + 1


@pytest.fixture(scope="module")
def scorer(tmp_path_factory) -> Scorer:
    return Scorer(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def regression(tmp_path_factory) -> Scorer:
    return Scorer(tmp_path_factory.mktemp("numbers"), classes=())


def put(folder, content: str, name: str = "t.csv"):
    (folder / name).write_text(content, newline="")
    return folder / name


def cells(path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


EVERY_TYPE = {
    "large": pa.array([LARGE, None, 3]),
    "unsigned": pa.array([2**64 - 1, None, 3], pa.uint64()),
    "decimal": pa.array(
        [Decimal("12345678901234567890.10"), None, Decimal("0.30")], pa.decimal128(30, 2)
    ),
    "day": pa.array([date(2024, 5, 1), None, date(9999, 12, 31)], pa.date32()),
    "zone": pa.array(
        [datetime(2024, 5, 1, 10, tzinfo=ZoneInfo("Europe/Berlin")), None, None],
        pa.timestamp("us", "Europe/Berlin"),
    ),
    "nanoseconds": pa.array([1_714_557_600_000_000_001, None, 1], pa.timestamp("ns")),
    "clock": pa.array([time(10, 30), None, None], pa.time64("us")),
    "list": pa.array([[1, LARGE], None, []], pa.list_(pa.int64())),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    "flag": pa.array([True, None, False]),
    "dictionary": pa.array(["x", None, "y"]).dictionary_encode(),
    "short": pa.array([0.1, None, 2], pa.float32()),
    "bytes": pa.array([b"\xff\x00", None, b""]),
    "text": pa.array(["NA", None, ""]),
    "nothing": pa.nulls(3),
}


class TestTheTableAsItWasRead:
    """The same columns, types, values and order; the result's columns come after them."""

    def test_parquet_keeps_every_type(self, scorer, tmp_path):
        """Keep numbers beyond 2^53, decimals, zones, lists, structs, gaps and words like NA."""
        table = pa.table({"weight": [0.01, None, 0.09], **EVERY_TYPE, "carrier": ["A", "B", None]})
        pq.write_table(table, tmp_path / "t.parquet")
        result = scorer.score(tmp_path / "t.parquet", tmp_path / "out.parquet")
        out = pq.read_table(tmp_path / "out.parquet")
        assert out.select(table.column_names).equals(pq.read_table(tmp_path / "t.parquet"))
        assert out.column_names == [*table.column_names, *RESULT]
        assert (result["rows"], result["refused"], result["not_used"]) == (3, 0, list(EVERY_TYPE))
        assert out["release"].to_pylist() == [scorer.release] * 3
        assert out["prediction"].null_count == 0

    def test_parquet_as_csv_has_every_digit(self, scorer, tmp_path):
        """Write a whole number beside a gap as a whole number."""
        pq.write_table(
            pa.table({"weight": [0.01, None, 0.09], **EVERY_TYPE, "carrier": ["A", "B", None]}),
            tmp_path / "t.parquet",
        )
        scorer.score(tmp_path / "t.parquet", tmp_path / "out.csv")
        first = dict(zip(*cells(tmp_path / "out.csv")[:2], strict=True))
        expected = {
            "large": str(LARGE),
            "unsigned": str(2**64 - 1),
            "decimal": "12345678901234567890.10",
            "day": "2024-05-01",
            "zone": "2024-05-01 10:00:00+02:00",
            "list": f"[1, {LARGE}]",
            "struct": '{"a": 1, "b": "x"}',
            "flag": "True",
            "short": "0.1",
        }
        assert {name: first[name] for name in expected} == expected

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(
            st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8),
            min_size=1,
            max_size=20,
        )
    )
    def test_csv_keeps_the_text_of_every_cell(self, scorer, tmp_path_factory, texts):
        """Keep zeros, spaces, quotes, line breaks and words that mean missing."""
        folder = tmp_path_factory.mktemp("csv")
        odd = ["NA", " 007 ", "1e5", "05/09/2024", 'a "b"', "x,y;z", "", "\r", "#", *texts]
        with (folder / "t.csv").open("w", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
                [["id", "weight", "carrier"], *([text, "0.010", "NA"] for text in odd)]
            )
        for ending in ("csv", "parquet"):
            scorer.score(folder / "t.csv", folder / f"out.{ending}")
        written = cells(folder / "out.csv")
        assert [row[:3] for row in written[1:]] == [[text, "0.010", "NA"] for text in odd]
        out = pq.read_table(folder / "out.parquet")
        assert out["id"].to_pylist() == odd
        assert out["weight"].type == pa.string()

    def test_json_lines_and_a_folder_of_parts(self, scorer, tmp_path):
        """Give the same rows the same predictions in each format."""
        rows = [
            {"id": LARGE, "weight": 0.01, "carrier": "A"},
            {"id": None, "weight": None, "carrier": "B"},
        ]
        put(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl")
        (tmp_path / "parts").mkdir()
        for number, row in enumerate(rows):
            pq.write_table(
                pa.Table.from_pylist(
                    [row],
                    pa.schema({"id": pa.int64(), "weight": pa.float64(), "carrier": pa.string()}),
                ),
                tmp_path / "parts" / f"{number}.parquet",
            )
        outs = []
        for source in ("t.jsonl", "parts"):
            scorer.score(tmp_path / source, tmp_path / f"{source}.out.parquet")
            outs.append(pq.read_table(tmp_path / f"{source}.out.parquet").to_pylist())
        assert outs[0] == outs[1]
        assert [row["id"] for row in outs[0]] == [LARGE, None]

    def test_what_parquet_cannot_hold_goes_to_csv(self, scorer, tmp_path):
        """Refuse an object without a field as Parquet, leave no file, and write it as CSV."""
        put(tmp_path, '{"weight": 0.01, "carrier": "A", "more": {}}', "t.jsonl")
        with pytest.raises(DataError, match=r"Parquet.* a \.csv takes values of every type"):
            scorer.score(tmp_path / "t.jsonl", tmp_path / "out.parquet")
        assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl"]
        scorer.score(tmp_path / "t.jsonl", tmp_path / "out.csv")
        assert cells(tmp_path / "out.csv")[1][:3] == ["0.01", "A", "{}"]

    def test_pandas_finds_its_index_again(self, scorer, tmp_path):
        """Keep the index that pandas wrote, and do not name it as an unused column."""
        frame = pd.DataFrame(
            {"weight": [0.01, 0.02], "carrier": pd.Categorical(["A", "B"])}, index=[7, 5]
        )
        frame.to_parquet(tmp_path / "t.parquet")
        result = scorer.score(tmp_path / "t.parquet", tmp_path / "out.parquet")
        again = pd.read_parquet(tmp_path / "out.parquet")
        pd.testing.assert_frame_equal(again[["weight", "carrier"]], frame)
        assert result["not_used"] == []


class TestEmpty:
    """Accept a table without rows."""

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("t.csv", "id,weight,carrier\n"),
            ("t.csv", "weight;carrier"),
            ("t.jsonl", ""),
            ("t.jsonl", "\n\n"),
        ],
        ids=["csv", "no end of line", "nothing", "lines"],
    )
    def test_no_rows_give_an_empty_output(self, scorer, tmp_path, name, content):
        """Write the columns and types of any other output."""
        result = scorer.score(put(tmp_path, content, name), tmp_path / "out.parquet")
        out = pq.read_table(tmp_path / "out.parquet")
        assert (result["rows"], result["refused"], len(out)) == (0, 0, 0)
        assert out.column_names[-6:] == RESULT
        assert out.schema.field("score.yes").type == pa.float64()
        assert out.schema.field("prediction").type == pa.string()

    def test_typed_and_without_rows(self, regression, tmp_path):
        """Score an empty Parquet table to CSV."""
        pq.write_table(
            pa.table({"weight": pa.array([], pa.float64()), "carrier": pa.array([], pa.string())}),
            tmp_path / "t.parquet",
        )
        assert regression.score(tmp_path / "t.parquet", tmp_path / "out.csv")["rows"] == 0
        assert cells(tmp_path / "out.csv") == [
            ["weight", "carrier", "prediction", "refused", "release", "version"]
        ]

    @pytest.mark.parametrize("content", ["", "id,weight\n", "id,weight\n1,2\n"])
    def test_without_the_columns_it_is_refused(self, scorer, tmp_path, content):
        """Refuse a header without the model's columns, with rows or without."""
        with pytest.raises(DataError, match=r"an empty file|expected column 'carrier'"):
            scorer.score(put(tmp_path, content), tmp_path / "out.csv")


class TestRefusedRows:
    """Give a row that cannot be predicted a reason; predict the others as if they were alone."""

    CONTENT = "weight,carrier\n0.02,A\n3e38,B\n1e39,A\nheavy,A\ninf,C\n,A\n"
    REASONS = (
        None,
        "column 'weight': 3e+38 is too large for this model",
        "1e+39 is too large: expected at most 3.4e+38",
        "'heavy'",
        "'inf'",
        None,
    )

    def test_each_is_marked_with_its_reason(self, regression, tmp_path):
        """Name values that are not finite, too large or no number; predict a missing one."""
        result = regression.score(put(tmp_path, self.CONTENT), tmp_path / "out.parquet")
        out = pq.read_table(tmp_path / "out.parquet").to_pylist()
        for row, reason in zip(out, self.REASONS, strict=True):
            assert (row["prediction"] is None) == (reason is not None), row
            assert (
                (row["refused"] or "").count(reason or "") == 1
                if reason
                else row["refused"] is None
            )
        assert result["refused"] == 4
        regression.score(put(tmp_path, "weight,carrier\n0.02,A\n,A\n"), tmp_path / "alone.parquet")
        assert pq.read_table(tmp_path / "alone.parquet").to_pylist() == [out[0], out[5]]

    def test_a_table_of_refused_rows_is_an_error(self, scorer, tmp_path):
        """Raise DataError, and write the output with each row's reason all the same."""
        with pytest.raises(
            DataError,
            match="none of 2; the first: column 'weight': expected finite numbers; found 'x'",
        ):
            scorer.score(put(tmp_path, "weight,carrier\nx,A\ny,B\n"), tmp_path / "out.csv")
        assert [row[-3] for row in cells(tmp_path / "out.csv")[1:]] == [
            "column 'weight': expected finite numbers; found 'x'",
            "column 'weight': expected finite numbers; found 'y'",
        ]


class TestNames:
    """Keep users' column names and ours apart in one table."""

    @pytest.mark.parametrize(
        "name",
        [*RESULT, "Prediction", "titlebout.prediction", "score", "request_id", "time", "label"],
    )
    def test_a_table_may_have_any_of_our_names(self, scorer, tmp_path, name):
        """Keep name and values of its column; give ours a prefix, and return the new name."""
        result = scorer.score(
            put(tmp_path, f"weight,carrier,{name}\n0.01,A,mine\n"), tmp_path / "out.parquet"
        )
        (row,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
        assert row[name] == "mine"
        assert list(result["columns"]) == RESULT
        ours = {wanted: row[own] for wanted, own in result["columns"].items()}
        assert (ours["prediction"], ours["release"]) == ("no", scorer.release)
        assert len(row) == 3 + len(RESULT)

    def test_features_may_have_our_names(self, tmp_path):
        """Score with a model whose features are called `prediction` and `version`."""
        scorer = Scorer(
            tmp_path, number="prediction", category="version", classes=("label", "score")
        )
        result = scorer.score(
            put(tmp_path, "prediction,version,titlebout.prediction\n0.01,A,x\n0.09,B,y\n"),
            tmp_path / "out.csv",
        )
        first, second = (
            {**dict(zip(cells(tmp_path / "out.csv")[0], row, strict=True))}
            for row in cells(tmp_path / "out.csv")[1:]
        )
        assert (first["prediction"], first["version"], first["titlebout.prediction"]) == (
            "0.01",
            "A",
            "x",
        )
        own = result["columns"]
        assert (own["prediction"], own["version"]) == (
            "titlebout.titlebout.prediction",
            "titlebout.version",
        )
        assert (first[own["prediction"]], second[own["prediction"]]) == ("label", "score")

    @settings(max_examples=200, deadline=None)
    @given(
        st.sets(
            st.sampled_from(
                ["titlebout.", "Titlebout.", "prediction", "release", "score.a", "x", ""]
            ).flatmap(
                lambda first: st.sampled_from(
                    [first, f"titlebout.{first}", f"titlebout.titlebout.{first}", first.upper()]
                )
            )
        )
    )
    def test_names_never_meet(self, taken):
        """Make our names differ from the table's and from each other, in any case of letters."""
        names = result_names(
            ["prediction", "score.a", "score.b", "refused", "release", "version"], taken=taken
        )
        assert len(
            {name.casefold() for name in names.values()} | {name.casefold() for name in taken}
        ) == len(names) + len({name.casefold() for name in taken})


class TestPlaces:
    """Choose and check where the output goes."""

    @pytest.mark.parametrize(
        ("source", "out"),
        [
            ("t.csv", "t.predictions.parquet"),
            ("../data/nodot", "../data/nodot.predictions.parquet"),
            ("a.b/nodot", "a.b/nodot.predictions.parquet"),
            ("a.b/t.2024", "a.b/t.2024.predictions.parquet"),
            ("/data/t.csv.gz", "/data/t.predictions.parquet"),
            ("/data/T.JSONL", "/data/T.predictions.parquet"),
            ("parts/", "parts.predictions.parquet"),
            ("./t.parquet", "./t.predictions.parquet"),
            (".csv", ".csv.predictions.parquet"),
            ("s3://bucket/a.b/nodot", "s3://bucket/a.b/nodot.predictions.parquet"),
            ("s3://bucket/day=1.5/", "s3://bucket/day=1.5.predictions.parquet"),
        ],
    )
    def test_beside_the_table_unless_told(self, source, out):
        """Name the output of files with and without ending, of folders and of addresses."""
        assert default_output(source) == out

    @pytest.mark.parametrize("source", ["s3://bucket", "s3://bucket/"])
    def test_a_bucket_has_nothing_beside_it(self, source):
        """Refuse a whole bucket, whose predictions would go to another bucket."""
        with pytest.raises(DataError, match="a whole bucket"):
            default_output(source)

    def test_a_folder_without_a_name_is_looked_up(self, tmp_path, monkeypatch):
        """Look up the names of `.` and `..`."""
        (tmp_path / "parts" / "inner").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "parts" / "inner")
        assert default_output("..") == str(tmp_path / "parts.predictions.parquet")
        assert default_output(".") == str(tmp_path / "parts" / "inner.predictions.parquet")

    @pytest.mark.parametrize(
        "out",
        ["t.csv", "./inner/../t.csv", "parts/out.parquet", "out.xlsx", "gone/out.csv", "parts.csv"],
    )
    def test_an_output_that_would_harm_is_refused(self, scorer, tmp_path, out):
        """Refuse the table itself, its parts, another format and a missing folder."""
        source = put(tmp_path, "weight,carrier\n0.01,A\n")
        for folder in ("inner", "parts", "parts.csv"):
            (tmp_path / folder).mkdir()
        pq.write_table(
            pa.table({"weight": [0.01], "carrier": ["A"]}), tmp_path / "parts" / "1.parquet"
        )
        with pytest.raises(DataError, match="choose another --out"):
            scorer.score(tmp_path / "parts" if out.startswith("parts/") else source, tmp_path / out)
        assert source.read_text() == "weight,carrier\n0.01,A\n"
        assert [path.name for path in (tmp_path / "parts").iterdir()] == ["1.parquet"]

    def test_a_job_fetches_files_and_folders(self, tmp_path):
        """Copy them under their own names, which tell the format."""
        (tmp_path / "day=1").mkdir()
        (tmp_path / "work").mkdir()
        pq.write_table(pa.table({"v": [1]}), tmp_path / "day=1" / "1.parquet")
        folder = fetch(f"file://{tmp_path}/day=1/", tmp_path / "work")
        assert (folder.name, [path.name for path in folder.iterdir()]) == ("day=1", ["1.parquet"])
        (tmp_path / "again").mkdir()
        put(tmp_path, "a\n1\n")
        assert fetch(f"file://{tmp_path}/t.csv", tmp_path / "again").read_text() == "a\n1\n"
