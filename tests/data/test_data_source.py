"""Test that a source is read as it is meant, or refused with the line and the next step."""

import gzip
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.project_tables import make_project, spec_of

from titlebout.data import read_source, read_table
from titlebout.spec import DataError


def table(tmp_path: Path, content: bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(tmp_path: Path, delimiter: str):
    """Find comma, semicolon, tab or bar, though a quoted header field holds another."""
    lines = [["a", '"b, c"', "d"], ["1", '"x\ny"', "é"]]
    read = read_table(table(tmp_path, "\n".join(delimiter.join(line) for line in lines).encode()))
    assert read.to_dict("records") == [{"a": "1", "b, c": "x\ny", "d": "é"}]


def test_a_byte_order_mark_and_compression_are_read_over(tmp_path: Path):
    """Leave Excel's byte order mark out of the first name, and read a .csv.gz file."""
    assert list(read_table(table(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n")).columns) == ["a", "b"]
    assert list(read_table(table(tmp_path, gzip.compress(b"a,b\n1,2\n"), "t.csv.gz")).columns) == [
        "a",
        "b",
    ]


def test_codes_keep_their_zeros_and_missing_words_are_missing(tmp_path: Path):
    """Keep the texts of the file, without a guess."""
    read = read_table(table(tmp_path, b"zip,n,w\n00501,1,NA\n10001,,null\n"))
    assert read["zip"].tolist() == ["00501", "10001"]
    assert read[["n", "w"]].isna().sum().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "found", "next_step"),
    [
        (b"", "an empty file", "write the table again"),
        (b"a,b\n", "0 rows", "fill the table"),
        (b"a,b\n1,2\n3\n", "Row #3: Expected 2 columns, got 1", "as many fields as the header"),
        (b"a,b\n1,2\n3,4,5\n", "Row #3: Expected 2 columns, got 3", "as many fields as the header"),
        (
            b"a,b\n1,M\xfcnchen\n",
            "Row #2: CSV conversion error to string: invalid UTF8",
            "iconv -f latin1 -t utf-8",
        ),
        (b"stra\xdfe,b\n1,2\n", "header that is no UTF8", "iconv -f latin1 -t utf-8"),
        (b"a,b,a\n1,2,3\n", "more than one column named 'a'", "rename"),
    ],
)
def test_a_broken_csv_is_refused(tmp_path: Path, content: bytes, found: str, next_step: str):
    """Refuse a CSV file that is empty, ragged, in another encoding, or has double names."""
    with pytest.raises(DataError) as refused:
        read_table(table(tmp_path, content))
    assert found in refused.value.found
    assert next_step in refused.value.next_step
    assert "t.csv" in refused.value.subject


def test_a_file_that_is_no_parquet_or_absent_is_refused(tmp_path: Path):
    """Refuse a CSV file that is named .parquet, and an absent file."""
    with pytest.raises(DataError, match="expected a Parquet file"):
        read_table(table(tmp_path, b"a,b\n1,2\n", "t.parquet"))
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "gone.csv")


def test_a_parquet_index_is_not_lost(tmp_path: Path):
    """Read a named index as a column, and drop one without a name."""
    pd.DataFrame({"v": [1, 2]}, index=pd.Index([7, 8], name="key")).to_parquet(
        tmp_path / "t.parquet"
    )
    assert read_table(tmp_path / "t.parquet").to_dict("list") == {"key": [7, 8], "v": [1, 2]}
    pd.DataFrame({"v": [1, 2]}, index=[8, 7]).to_parquet(tmp_path / "shuffled.parquet")
    assert read_table(tmp_path / "shuffled.parquet").to_dict("list") == {"v": [1, 2]}


def function_source(tmp_path: Path, code: str):
    project = make_project(tmp_path)
    (project / "models" / "tried" / "features.py").write_text(code)
    return read_source(project, spec_of({"a": "number"}, source={"function": "rows"}))


def test_a_function_is_called_and_leaves_no_module(tmp_path: Path):
    """Call a function whose module uses dataclasses, and leave sys.modules as before."""
    before = set(sys.modules)
    code = (
        "from __future__ import annotations\nimport dataclasses\nimport pandas as pd\n"
        "@dataclasses.dataclass\nclass Row:\n    a: int\n\n"
        "def rows():\n    return pd.DataFrame([Row(1), Row(2)])\n"
    )
    assert function_source(tmp_path, code)["a"].tolist() == [1, 2]
    assert not [name for name in set(sys.modules) - before if "features" in name]


@pytest.mark.parametrize(
    ("code", "place", "found"),
    [
        ("def rows():\n    x = {}\n    return x['gone']\n", "line 3", "KeyError: 'gone'"),
        ("def rows(:\n", "line 1", "SyntaxError"),
        ("import nowhere_at_all\n", "line 1", "No module named 'nowhere_at_all'"),
        ("def other(): ...\n", "features.py", "other"),
        ("def rows():\n    return [1]\n", "rows()", "a list"),
        (
            "import pandas as pd\ndef rows():\n    return pd.DataFrame({'a': []})\n",
            "rows()",
            "0 rows",
        ),
    ],
)
def test_a_broken_function_is_named_with_its_line(
    tmp_path: Path, code: str, place: str, found: str
):
    """Raise DataError with file and line for any error in the team's code."""
    with pytest.raises(DataError) as refused:
        function_source(tmp_path, code)
    assert "features.py" in refused.value.subject
    assert place in refused.value.subject
    assert found in refused.value.found
