"""Test how a table's file is read in any format and compression, or refused with advice."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.project_tables import make_project, mixed, prepared, spec_of

from titlebout.data import read_arrow, read_table, row_hashes
from titlebout.data.files import without_endings
from titlebout.data.normalize import normalize_column
from titlebout.data.wire import category_texts
from titlebout.spec import CODE, DataError

LARGE = 2**53 + 1  # the smallest whole number that float64 does not have


def put(folder: Path, content: bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def zipped(content: bytes, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def zstandard(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


class TestCompression:
    """Choose the decompression by the name's ending, in upper case, too."""

    @pytest.mark.parametrize(
        ("name", "compress"),
        [
            ("t.csv.gz", gzip.compress),
            ("T.CSV.GZ", gzip.compress),
            ("t.csv.bz2", bz2.compress),
            ("t.csv.xz", lzma.compress),
            ("t.csv.zst", zstandard),
            ("t.csv.zip", lambda content: zipped(content, "inner/t.csv", "__MACOSX/._t.csv")),
            ("T.CSV", bytes),
            ("t.tsv", bytes),
            ("t", bytes),
        ],
    )
    def test_a_csv_is_read(self, tmp_path, name, compress):
        """Read gzip (of several members, too), bzip2, xz, zstd, a zip of one file, and text."""
        path = put(
            tmp_path,
            compress(b"a,b\n1,x\n")
            + (gzip.compress(b"2,y\n") if compress is gzip.compress else b""),
            name,
        )
        assert read_table(path).iloc[0].to_dict() == {"a": "1", "b": "x"}
        assert len(read_table(path)) == (2 if compress is gzip.compress else 1)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-12], r"readable \.gz file"),
            ("t.csv.xz", b"a,b\n1,2\n", r"readable \.xz file"),
            ("t.csv.zip", b"a,b\n1,2\n", r"readable \.zip file"),
            (
                "t.csv.zip",
                zipped(b"a\n1\n", "one.csv", "two.csv"),
                "one file in the zip archive; found 2",
            ),
            ("t.parquet.gz", gzip.compress(b"PAR1", mtime=0), "compressed Parquet"),
            ("t.csv.gz", gzip.compress(b"", mtime=0), "an empty file"),
        ],
    )
    def test_a_damaged_file_is_refused(self, tmp_path, name, content, message):
        """Refuse a file that is cut, in another format, of several files, or empty."""
        with pytest.raises(DataError, match=message):
            read_arrow(put(tmp_path, content, name))


class TestDelimiter:
    """Choose the delimiter by which the rows have as many fields as the header."""

    @pytest.mark.parametrize(
        ("content", "names"),
        [
            ('"size (S|M|L)",price\nS,1\n', ["size (S|M|L)", "price"]),
            ("size (S|M|L),price\nS,1\nM,2\n", ["size (S|M|L)", "price"]),
            ('"a;b;c"\t"d|e|f"\n1\t2\n', ["a;b;c", "d|e|f"]),
            ("a;b\n3,14;2,5\n", ["a", "b"]),
            ('"a,b,c,d"\n1\n', ["a,b,c,d"]),
            ("sep=;\na,x;b\n1;2\n", ["a,x", "b"]),
            ("\n\nsep=|\r\na|b\r\n1|2\r\n", ["a", "b"]),
            ("#id,name\n1,x\n", ["#id", "name"]),
            ("one\nJones\n", ["one"]),
        ],
    )
    def test_it_is_found_by_the_fields(self, tmp_path, content, names):
        """Find it by the fields of the rows, not by its count in the header; or by `sep=`."""
        assert read_arrow(put(tmp_path, content.encode())).column_names == names

    def test_wide_headers_and_long_cells(self, tmp_path):
        """Read headers and cells that are longer than the sample of the file."""
        names = [f"column {number}" for number in range(60_000)]
        table = read_arrow(
            put(tmp_path, f"{';'.join(names)}\n{';'.join(map(str, range(60_000)))}\n".encode())
        )
        assert (table.num_rows, table.column_names) == (1, names)
        table = read_arrow(
            put(tmp_path, b'a,b\n"' + b"x;" * 2_000_000 + b'",2\n' + b"3,4\n" * 5_000)
        )
        assert (table.num_rows, len(table["a"][0].as_py())) == (5_001, 4_000_000)

    def test_two_that_fit_are_a_question(self, tmp_path):
        """Refuse a file that two delimiters fit, until its first line names one."""
        with pytest.raises(DataError, match="make sep=; the first line") as refused:
            read_arrow(put(tmp_path, b"x;y,z\n1;2,5\n"))
        assert "','" in refused.value.found
        assert read_arrow(put(tmp_path, b"sep=;\nx;y,z\n1;2,5\n")).to_pylist() == [
            {"x": "1", "y,z": "2,5"}
        ]

    @settings(max_examples=50, deadline=None)
    @given(
        st.sampled_from(",;\t|"),
        st.lists(
            st.lists(
                st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), min_size=1),
                min_size=3,
                max_size=3,
            ),
            min_size=2,
            max_size=5,
        ),
    )
    def test_any_quoted_text_is_read_back(self, tmp_path_factory, delimiter, rows):
        """Read names and cells in quotes as they were, with delimiters, quotes and line breaks."""
        names = [f"{number}{name}" for number, name in enumerate(rows[0])]
        path = tmp_path_factory.mktemp("quoted") / "t.csv"
        pd.DataFrame(rows[1:], columns=names).to_csv(path, index=False, sep=delimiter, quoting=1)
        table = read_arrow(path)
        assert table.column_names == names
        assert [list(row.values()) for row in table.to_pylist()] == rows[1:]


class TestOtherFiles:
    """Read what is no CSV in UTF-8, or refuse it with the command that makes it one."""

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
    def test_a_byte_order_mark_says_the_encoding(self, tmp_path, encoding):
        """Read the encoding from the mark, as Excel's `Unicode text` has it."""
        path = put(tmp_path, "größe\tb\n1\tŁódź\n".encode(encoding))
        assert read_arrow(path).to_pylist() == [{"größe": "1", "b": "Łódź"}]

    @pytest.mark.parametrize(
        ("name", "content", "advice"),
        [
            ("t.csv", "a,b\n1,2\n".encode("utf-16-le"), "iconv -f utf-16le -t utf-8"),
            ("t.xlsx", b"PK\x03\x04", "save it as CSV"),
            ("t.xls", b"\xd0\xcf\x11\xe0", "save it as CSV"),
            ("t.csv", b"PK\x03\x04", "save it as CSV"),
            ("t.csv", b"PAR1", "name it .parquet"),
            ("t.csv", b"\x1f\x8b", "name it .csv.gz"),
            ("t.feather", b"ARROW1\0\0", "read_feather"),
            ("t.csv", b"# made by a program\n# on a day\na,b\n1,2\n", "tail -n +3 t.csv"),
            ("t.csv", b"# a, b\na,b\n1,2\n", "tail -n +2 t.csv"),
            ("t.csv", b"#one\na,b\n1,2\n", "tail -n +2 t.csv"),
            ("t.csv", b"# a;b,c\na;b,c\n1;2,3\n", "tail -n +2 t.csv"),
            ("t.csv", b"# nothing else\n", "delete them"),
            ("t.csv", b"\n \n", "write the table again, with its header"),
            ("t.csv", b'"a"x,b\n1,2\n', "correct the file"),
            ("t.csv", b"a,b\n1,2\n# the end\n", "grep -v '^#' t.csv"),
            ("t.json", b'[{"a": 1}]', "jq -c '.[]' t.json > t.jsonl"),
            ("t.jsonl", b'[\n{"a": 1}\n]', "jq -c '.[]' t.jsonl"),
        ],
    )
    def test_others_are_refused_with_advice(self, tmp_path, name, content, advice):
        """Refuse spreadsheets, comments, UTF-16 without a mark, and misnamed formats."""
        with pytest.raises(DataError) as refused:
            read_arrow(put(tmp_path, content, name))
        assert advice in refused.value.next_step

    def test_parquet_and_json_are_found_by_content(self, tmp_path):
        """Find the format by the content if the name has no ending."""
        pq.write_table(pa.table({"a": [1]}), tmp_path / "nodot")
        assert read_arrow(tmp_path / "nodot").to_pylist() == [{"a": 1}]
        assert read_arrow(put(tmp_path, b' {"a": 1}\n', "lines")).to_pylist() == [{"a": 1}]

    @pytest.mark.parametrize(
        ("name", "bare"),
        [
            ("a.csv", "a"),
            ("a.CSV.gz", "a"),
            ("a.b.jsonl.zst", "a.b"),
            ("nodot", "nodot"),
            ("a.2024", "a.2024"),
            (".csv", ".csv"),
        ],
    )
    def test_endings_of_a_name(self, name, bare):
        """Remove only those endings that tell a format."""
        assert without_endings(name) == bare


class TestJsonLines:
    """Read one object per row, without guesses from text, and without losing a digit."""

    def test_types_and_gaps(self, tmp_path):
        """Make absent keys missing and mixed values text; keep texts and large numbers."""
        rows = [
            {"n": LARGE, "t": "2024-05-01", "m": 1, "x": 0.5, "l": [1]},
            {"n": None, "late": True, "m": "a", "x": LARGE},
            {"n": 2**70, "t": "01"},
        ]
        path = put(
            tmp_path, "\ufeff".encode() + "\n\n".join(map(json.dumps, rows)).encode(), "t.jsonl"
        )
        assert read_arrow(path).to_pydict() == {
            "n": [str(LARGE), None, str(2**70)],
            "t": ["2024-05-01", None, "01"],
            "m": ["1", "a", None],
            "x": ["0.5", str(LARGE), None],
            "l": [[1], None, None],
            "late": [None, True, None],
        }

    @pytest.mark.parametrize(
        ("content", "subject", "found"),
        [
            (b'{"a": 1, "b": 2, "a": 3}\n', "line 1", "the name 'a' twice"),
            (b'{"a": 1}\n{"b": {"c": 1, "c": 2}}\n', "line 2", "the name 'c' twice"),
            (b'{"a": 1}\n[1]\n', "line 2", "[1]"),
            (b'{"a": 1}\n{"a": \n', "line 2", "Expecting value"),
            (b'{"a": "' + "München".encode("latin-1") + b'"}\n', "t.jsonl", "codec can't decode"),
            (b'{"a": "\\ud800"}\n', "t.jsonl", "half a surrogate pair in column 'a'"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, content, subject, found):
        """Refuse a name that stands twice, and a line that is no object, no JSON or no UTF-8."""
        with pytest.raises(DataError) as refused:
            read_arrow(put(tmp_path, content, "t.jsonl"))
        assert subject in refused.value.subject
        assert found in refused.value.found


class TestParts:
    """Read a folder of Parquet files as one table."""

    def test_parts_are_read_in_the_order_of_their_paths(self, tmp_path):
        """Make a text column of folders such as day=…, and ignore names with _ or . in front."""
        for day, values in (("01", [1]), ("02", [2, 3])):
            (tmp_path / f"day={day}").mkdir()
            pq.write_table(
                pa.table({"v": values}), tmp_path / f"day={day}" / "part-0.snappy.parquet"
            )
        (tmp_path / "_SUCCESS").touch()
        pq.write_table(pa.table({"v": [9]}), tmp_path / ".hidden.parquet")
        assert read_arrow(tmp_path).to_pydict() == {"v": [1, 2, 3], "day": ["01", "02", "02"]}

    def test_whole_numbers_beside_floats_are_not_rounded(self, tmp_path):
        """Join whole numbers and floats of two parts, unless digits would be lost.

        pandas writes a part with a missing value as floats.
        """
        pq.write_table(pa.table({"v": [1.5, None]}), tmp_path / "1.parquet")
        pq.write_table(pa.table({"v": [7]}), tmp_path / "2.parquet")
        assert read_arrow(tmp_path)["v"].to_pylist() == [1.5, None, 7.0]
        pq.write_table(pa.table({"v": [LARGE]}), tmp_path / "3.parquet")
        with pytest.raises(DataError, match="types of the other parts") as refused:
            read_arrow(tmp_path)
        assert "3.parquet" in refused.value.subject

    def test_other_columns_and_no_parts_are_refused(self, tmp_path):
        """Refuse parts with other columns, which would be lost, and a folder without parts."""
        with pytest.raises(DataError, match="expected Parquet files in the folder; found none"):
            read_arrow(tmp_path)
        pq.write_table(pa.table({"v": [1]}), tmp_path / "1.parquet")
        pq.write_table(pa.table({"v": [1], "w": [1]}), tmp_path / "2.parquet")
        with pytest.raises(DataError, match="found in one of the two only: 'w'"):
            read_arrow(tmp_path)
        pq.write_table(pa.table({"v": ["text"]}), tmp_path / "2.parquet")
        with pytest.raises(DataError, match="with the same column types"):
            read_arrow(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([LARGE, None, 7], dtype="Int64"),
        pd.Series([LARGE, None, 7], dtype=pd.ArrowDtype(pa.int64())),
        pd.Series(pd.Categorical(pd.Series([LARGE, None, 7], dtype=object))),
        pd.Series(pd.Categorical([1, None, 0], categories=[0, 1])).cat.rename_categories(
            [7, LARGE]
        ),
        pd.Series(pd.Categorical([1, None, 0], categories=[0, 1])).cat.rename_categories(
            pd.array([7, LARGE], dtype="Int64")
        ),
        pd.Series([Decimal(LARGE), None, Decimal(7)], dtype=pd.ArrowDtype(pa.decimal128(20, 0))),
        pd.Series([LARGE, None, 7], dtype=object),
        pd.Series([LARGE, None, 7], dtype="UInt64"),
    ],
    ids=["Int64", "arrow", "category", "gap", "nullable", "decimal", "object", "UInt64"],
)
def test_whole_numbers_with_gaps_keep_every_digit(values):
    """Keep the digits of whole numbers from features.py, in any of pandas' types."""
    assert category_texts(normalize_column(values), CODE).tolist() == [str(LARGE), np.nan, "7"]
    assert normalize_column(values).index.equals(values.index)


@pytest.mark.parametrize(
    ("values", "plain"),
    [
        (pa.array([True, None]), ["True", None]),
        (pa.array([date(2024, 5, 1), None]), ["2024-05-01", None]),
        (pa.array([Decimal("1.50"), None]), ["1.50", None]),
        (pa.array([[1, 2], None]), ["[1, 2]", None]),
        (pa.array([{"a": "ü"}, None]), ['{"a": "ü"}', None]),
        (pa.array(["x", None]).dictionary_encode(), ["x", None]),
        (pa.array([5, None]).dictionary_encode(), ["5", None]),
        (pa.array([b"\xc3\xbc", None]), ["ü", None]),
        (pa.array([b"\xff", b"\xfe"]), [r"\xff", r"\xfe"]),
        (pa.array([10**7], pa.date32()), ["29349-01-26"]),
        (
            pa.array([10**13, 0, None], pa.timestamp("s")),
            ["318857-05-20T17:46:40.000", "1970-01-01T00:00:00.000", None],
        ),
        (pa.array([Decimal("1" * 50), None], pa.decimal256(60, 0)), ["1" * 50, None]),
        (pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), ['[["a", 1]]', None]),
        (pa.array([[LARGE, None], None], pa.large_list(pa.int64())), [f"[{LARGE}, null]", None]),
    ],
    ids=str,
)
def test_what_numpy_has_not_is_text(tmp_path, values, plain):
    """Read such values as the text that a CSV file would hold."""
    pq.write_table(pa.table({"v": values}), tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")["v"]
    assert read.astype(object).where(read.notna(), None).tolist() == plain


NUMBERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
CELLS = st.tuples(
    NUMBERS,
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    st.text("aé7,;", min_size=1),
)


@settings(max_examples=12, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=30))
def test_a_row_is_the_same_from_every_format(tmp_path_factory, rows):
    """Give a row one hash, and each whole number one text, from every kind of source."""
    folder = tmp_path_factory.mktemp("formats")
    columns = dict(zip(("n", "b", "f", "t"), map(list, zip(*rows, strict=True)), strict=True))
    table = pa.table(
        {
            "n": pa.array(columns["n"], pa.int64()),
            "b": pa.array(columns["b"], pa.bool_()),
            "f": pa.array(columns["f"], pa.float64()),
            "t": columns["t"],
        }
    )
    pq.write_table(table, folder / "t.parquet")
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    frame.to_csv(folder / "t.csv", index=False)
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    (folder / "t.jsonl").write_text("\n".join(lines))
    frames = [read_table(folder / f"t.{ending}") for ending in ("parquet", "csv", "jsonl")]
    for read in [*frames, frame]:
        np.testing.assert_array_equal(row_hashes(read), row_hashes(frames[0]))
    for read in frames:
        digits = category_texts(read["n"], CODE) if columns["n"] else read["n"]
        assert [None if pd.isna(value) else int(value) for value in digits] == columns["n"]


def test_a_source_of_any_format_is_one_dataset(tmp_path):
    """Split the same rows alike, with the same digests, from every format."""
    table = mixed().drop(columns="float32")  # which JSON widens to other digits
    table["asked"] = table["asked"].astype("boolean")
    digests = {}
    for file in ("table.csv", "table.csv.xz", "table.jsonl", "table.parquet", "parts"):
        project = make_project(tmp_path / file)
        folder = project / "models" / "tried"
        if file == "parts":
            (folder / file).mkdir()
            for number, part in enumerate((table[:200], table[200:])):
                part.to_parquet(folder / file / f"{number}.parquet")
        elif file == "table.jsonl":
            rows = pa.Table.from_pandas(table).to_pylist()
            (folder / file).write_text("\n".join(json.dumps(row, default=str) for row in rows))
        elif file == "table.parquet":
            table.to_parquet(folder / file)
        else:
            table.to_csv(folder / file, index=False)
        columns = {
            "größe": "number",
            "count": "category",
            "city": "category",
            "asked": "boolean",
            "day": "date",
            "snowflake": "category",
        }
        dataset = prepared(project, spec_of(columns, source={"file": file}))
        digests[file] = {name: part.rows_digest for name, part in dataset.parts.items()}
    assert [digests["table.csv"]] * 5 == list(digests.values())
