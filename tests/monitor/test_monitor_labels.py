"""Add late labels: append-only, idempotent, corrected by later ones; wrong files are refused."""

import gzip
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from titlebout.monitor import label
from titlebout.monitor.served_rows import read_label_history, read_labels
from titlebout.spec import DataError, Dataset, Override, PartRecord, Release, load_environment
from titlebout.storage import Storage, open_storage

MODEL, ENVIRONMENT = "tried", "prod"


@dataclass
class LabelProject:
    """Hold a model with the classes (none: numbers), and ten requests that it answered."""

    project: Path
    storage: Storage

    def label(self, *rows: tuple, name: str = "labels.jsonl", **more):
        """Add labels by way of a file of JSON lines."""
        lines = [json.dumps({"request_id": request, "label": value}) for request, value in rows]
        return self.give("\n".join(lines).encode(), name, **more)

    def give(self, content: bytes, name: str, *, by: str = "ann", **more):
        path = self.project / name
        path.write_bytes(content)
        return label(self.project, MODEL, ENVIRONMENT, path, by=by, **more)

    @property
    def labels(self) -> dict:
        return read_labels(self.storage, MODEL).set_index("request_id")["label"].to_dict()


def counts(**found: int) -> dict[str, int]:
    return {"added": 0, "corrected": 0, "already_known": 0, "unknown_request_ids": 0} | found


@pytest.fixture
def label_project(tmp_path):
    """Return a function that makes a LabelProject."""

    def made(*classes: str) -> LabelProject:
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        (tmp_path / "environments" / ENVIRONMENT).mkdir(parents=True, exist_ok=True)
        text = f"name: {ENVIRONMENT}\nmlflow: http://127.0.0.1:1\nstorage: store\n"
        (tmp_path / "environments" / ENVIRONMENT / "environment.yaml").write_text(text)
        storage = open_storage(tmp_path, load_environment(tmp_path, ENVIRONMENT).storage)
        dataset = Dataset(
            model=MODEL,
            source="t.csv",
            window=None,
            fraction=1.0,
            columns={},
            order=(),
            target="y",
            time_column=None,
            group_column=None,
            key_columns=("y",),
            classes=classes,
            rows=3,
            dropped_without_target=0,
            parts={
                name: PartRecord(rows=1, rows_digest="0" * 64)
                for name in ("train", "validation", "holdout")
            },
        )
        storage.write_record(dataset, "datasets", dataset.digest, "record.json")
        release = Release(
            model=MODEL,
            model_digest="m" * 64,
            package_digest="p" * 64,
            data_digest=dataset.digest,
            code_version="c",
            configuration_digest="f" * 64,
            threshold=None,
            verdict=None,
            override=Override(by="a test", reason="there is no gate here"),
        )
        storage.write_record(release, "releases", f"{release.id}.json")
        served = pd.DataFrame(
            {"request_id": [str(number) for number in range(10)], "release": release.id}
        )
        folder = tmp_path / "store" / "inference" / MODEL / "date=2026-11-01"
        folder.mkdir(parents=True)
        served.to_parquet(folder / "1.parquet")
        return LabelProject(tmp_path, storage)

    return made


class TestCorrections:
    """Replace an earlier label by a later one, and keep all of them, with who, when and why."""

    def test_given_twice_is_given_once(self, label_project):
        """Write nothing the second time: all labels are known."""
        project = label_project("no", "yes")
        assert project.label(("1", "yes"), ("2", "no")) == counts(added=2)
        assert project.label(("2", "no"), ("1", "yes"), by="bob") == counts(already_known=2)
        assert len(project.storage.names("labels", MODEL)) == 1

    def test_the_newest_counts_and_the_others_are_kept(self, label_project):
        """Count the newest label, also if it goes back to the first one."""
        project = label_project("no", "yes")
        project.label(("1", "yes"), ("2", "yes"))
        assert project.label(
            ("1", "no"), ("2", "yes"), ("3", "no"), by="bob", reason="mixed up"
        ) == counts(added=1, corrected=1, already_known=1)
        assert project.labels == {"1": "no", "2": "yes", "3": "no"}
        assert project.label(("1", "yes"), by="cleo") == counts(corrected=1)
        assert project.labels["1"] == "yes"
        history = (
            read_label_history(project.storage, MODEL)
            .query("request_id == '1'")
            .sort_values("revision")
        )
        assert history[["label", "revision", "by"]].to_numpy().tolist() == [
            ["yes", 0, "ann"],
            ["no", 1, "bob"],
            ["yes", 2, "cleo"],
        ]
        assert history["reason"].fillna("").tolist() == ["", "mixed up", ""]
        assert (history["time"] <= datetime.now(UTC)).all()

    def test_a_clock_that_goes_back_changes_nothing(self, label_project, monkeypatch):
        """Let the revision decide, not the time."""
        project = label_project()
        project.label(("1", 1.5))

        class Yesteryear(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime(2001, 1, 1, tzinfo=tz)

        monkeypatch.setattr("titlebout.monitor.labels.datetime", Yesteryear)
        assert project.label(("1", 2.5)) == counts(corrected=1)
        assert project.labels == {"1": 2.5}

    def test_one_file_must_not_contradict_itself(self, label_project):
        """Refuse two labels of one request in a file; accept the same label twice."""
        project = label_project("no", "yes")
        with pytest.raises(DataError, match="1 requests with different ones, such as '1'"):
            project.label(("1", "yes"), ("1", "no"))
        assert project.labels == {}
        assert project.label(("1", "yes"), ("1", "yes")) == counts(added=1, already_known=1)

    def test_unknown_request_ids_are_counted_and_left_out(self, label_project):
        """Count unknown request ids: their predictions may still be on their way."""
        assert label_project("no", "yes").label(("1", "yes"), ("77", "yes")) == counts(
            added=1, unknown_request_ids=1
        )


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("0123x"), st.sampled_from(["no", "yes"]), min_size=1),
        min_size=1,
        max_size=6,
    )
)
def test_any_sequence_of_files_ends_with_the_last_labels(label_project, files):
    """Keep each change once, add up the counts, and read the newest label."""
    project, expected, changes = label_project("no", "yes"), {}, 0
    for number, rows in enumerate(files):
        found = project.label(*rows.items(), by=f"person {number}")
        known = {request: value for request, value in rows.items() if request != "x"}
        assert found["unknown_request_ids"] == len(rows) - len(known)
        assert found["added"] == len(known.keys() - expected.keys())
        assert found["corrected"] == sum(
            expected.get(request, value) != value for request, value in known.items()
        )
        changes += found["added"] + found["corrected"]
        assert sum(found.values()) == len(rows)
        expected |= known
        assert project.labels == expected
    assert len(read_label_history(project.storage, MODEL)) == changes


class TestOneReader:
    """Read the files as all tables are read."""

    @pytest.mark.parametrize(
        ("classes", "written", "label"),
        [
            (("None", "Some"), "None", "None"),
            (("NA", "DE"), "NA", "NA"),
            (("false", "true"), "true", "true"),
            (("False", "True"), "true", "True"),
            (("false", "true"), True, "true"),
            (("False", "True"), True, "True"),
            (("00", "01"), "01", "01"),
            (("0", "1"), 1, "1"),
            (("0", "1"), 1.0, "1"),
            (("0", "1"), "1.0", "1"),
            (("1", "1.0"), "1.0", "1.0"),
            (("9007199254740992", "9007199254740993"), 2**53 + 1, "9007199254740993"),
            (("ναι", "όχι"), "ναι", "ναι"),
        ],
    )
    def test_a_class_is_what_it_says(self, label_project, tmp_path, classes, written, label):
        """Match a class in CSV, JSON lines and Parquet.

        They write truth values and whole numbers in different ways.
        """
        project = label_project(*classes)
        table = pa.table({"label": [written], "request_id": ["1"]})
        pq.write_table(table, tmp_path / "t.parquet")
        csv = b"request_id;label\n1;" + str(written).encode()
        assert project.give((tmp_path / "t.parquet").read_bytes(), "labels.parquet") == counts(
            added=1
        )
        assert project.labels == {"1": label}
        assert project.give(csv, "labels.CSV") == counts(already_known=1)
        assert project.give(gzip.compress(csv), "labels.csv.gz") == counts(already_known=1)
        assert project.label(("1", written)) == counts(already_known=1)

    def test_whole_numbers_as_request_ids(self, label_project):
        """Match a spreadsheet's column of numbers, in Parquet and JSON."""
        project = label_project()
        assert project.label((1, 0.5), (2, 7)) == counts(added=2)
        assert project.label((1.0, 0.5), (2.0, 7.0)) == counts(already_known=2)
        assert project.labels == {"1": 0.5, "2": 7.0}

    def test_no_row_is_no_error(self, label_project):
        """Accept a file without rows."""
        assert label_project().give(b"request_id,label\n", "labels.csv") == counts()

    @pytest.mark.parametrize(
        ("classes", "content", "message"),
        [
            (
                ("no", "yes"),
                b"request_id,label\n1,maybe\n",
                "labels among no, yes; found 1 of 1 others, such as 'maybe'",
            ),
            (("no", "yes"), b"request_id,label\n1,NA\n", "such as 'NA'"),
            (("1", "1.0"), b"request_id,label\n1,1.00\n", "such as '1.00'"),
            (
                ("no", "yes"),
                b"request_id,label,comment\n1,yes,x\n",
                "only the columns request_id and label",
            ),
            (("no", "yes"), b"request_id\n1\n", "only the columns request_id and label"),
            (("no", "yes"), b"request_id,label\n1,\n2,yes\n", "missing values; found 1 rows"),
            (
                (),
                b"request_id,label\n1,inf\n2,1\n",
                "finite numbers; found 1 of 2 others, such as 'inf'",
            ),
            ((), b"request_id,label\n1,-Infinity\n", "finite numbers"),
            ((), b"request_id,label\n1,1e999\n", "finite numbers"),
            ((), b"request_id,label\n1,nan\n", "finite numbers"),
            ((), b"request_id,label\n1,yes\n", "finite numbers"),
        ],
    )
    def test_a_wrong_file_is_refused_whole(self, label_project, classes, content, message):
        """Refuse the whole file, and name the column or the label."""
        project = label_project(*classes)
        with pytest.raises(DataError, match=message):
            project.give(content, "labels.csv")
        assert project.storage.names("labels", MODEL) == []

    def test_infinite_numbers_of_parquet_are_refused(self, label_project, tmp_path):
        """Refuse infinite numbers of Parquet, which are no text."""
        pd.DataFrame({"request_id": ["1", "2"], "label": [np.inf, 1.0]}).to_parquet(
            tmp_path / "t.parquet"
        )
        with pytest.raises(DataError, match="finite numbers"):
            label_project().give((tmp_path / "t.parquet").read_bytes(), "labels.parquet")
