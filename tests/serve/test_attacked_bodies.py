"""Refuse bodies that do harm, made on purpose or by mistake.

Each is refused by name, at little cost, and never by a fault of the server.
"""

import gzip
import json
import resource
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asgi_client import call
from support.fitted_models import EXAMPLE

from titlebout.serve.app import Service
from titlebout.serve.bodies import FREE_BYTES
from titlebout.serve.flat_json import MAX_COLUMNS, SMALL_BYTES
from titlebout.serve.refusals import MAX_BODY_BYTES, MAX_ROWS
from titlebout.serve.server_settings import ServerSettings
from titlebout.spec import Release

MEGABYTES = 1 << 20
NAMES, VALUES = list(EXAMPLE), list(EXAMPLE.values())


@pytest.fixture(scope="module")
def service(
    model: Path, release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Serve the model for all tests of this file."""
    service = Service(
        model, ServerSettings(release, "blue", str(tmp_path_factory.mktemp("inference")))
    )
    yield service
    service.close()


def nested_lists(depth: int, inside: str = "1") -> str:
    """Return lists nested to the depth."""
    return "[" * depth + inside + "]" * depth


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
@pytest.mark.parametrize("depth", [2, 3, 100, 900, *range(960, 1000), 5_000, 1_000_000])
def test_no_depth_is_a_fault_of_the_server(service: Service, path: str, depth: int) -> None:
    """Answer deep nesting with 4xx as a row, a value, a name or the protocol's content."""
    objects = '{"a":' * depth + "1" + "}" * depth
    value = nested_lists(depth)
    row = json.dumps(EXAMPLE)[:-1] + f', "distance": {value}}}'
    for body in (
        value,
        objects,
        f'{{"distance": {value}}}',
        f'{{"distance": {objects}}}',
        f"[{row}]",
        json.dumps(EXAMPLE).replace("740.0", value),
        f'{{"instances": {value}}}',
        f'{{"inputs": {{"distance": {value}}}}}',
        f'{{"dataframe_split": {{"columns": {value}, "data": {value}}}}}',
        f'{{"dataframe_split": {{"columns": {json.dumps(NAMES)}, "data": [{value}]}}}}',
    ):
        assert call(service, "POST", path, body.encode()).status in (400, 422)


ATTACKS = {
    "a long name": lambda: b'{"' + b"k" * (MAX_BODY_BYTES - 100) + b'": 1}',
    "a long name in a list": lambda: b'[{"' + b"k" * (MAX_BODY_BYTES - 100) + b'": 1}]',
    "a long name like a column's": lambda: b'{"' + b"distance" * (2 * MEGABYTES - 100) + b'": 1}',
    "many names": lambda: (
        b"{" + b",".join(b'"%x":1' % number for number in range(1_200_000)) + b"}"
    ),
    "one name many times": lambda: b"{" + b",".join([b'"":1'] * 3_000_000) + b"}",
    "empty lists": lambda: b"[" + b",".join([b"[]"] * 5_000_000) + b"]",
    "empty objects": lambda: b"[" + b",".join([b"{}"] * 5_000_000) + b"]",
    "small objects": lambda: b"[" + b",".join([b'{"a":1}'] * 2_000_000) + b"]",
    "numbers": lambda: b"[" + b",".join([b"1.5"] * 4_000_000) + b"]",
    "lists in a value": lambda: b'{"distance": [' + b",".join([b"[]"] * 5_000_000) + b"]}",
    "a number of many digits": lambda: b'{"distance": ' + b"1" * (MAX_BODY_BYTES - 100) + b"}",
    "a long text for a number": lambda: json.dumps(
        {**EXAMPLE, "distance": "k" * (MAX_BODY_BYTES - 300)}
    ).encode(),
    "a long text for a date": lambda: json.dumps(
        {**EXAMPLE, "departs": "2" * (MAX_BODY_BYTES - 300)}
    ).encode(),
    "blanks": lambda: b" " * MAX_BODY_BYTES,
    "blanks and a row": lambda: b" " * (MAX_BODY_BYTES - 1000) + b"{}",
    "open brackets": lambda: b"[" * MAX_BODY_BYTES,
    "the protocol with a long name": lambda: b'{"' + b"k" * (MAX_BODY_BYTES - 100) + b'": []}',
    "the protocol with many names": lambda: (
        b"{" + b",".join(b'"%x":1' % number for number in range(1_200_000)) + b"}"
    ),
    "the protocol's columns": lambda: (
        b'{"dataframe_split": {"columns": [' + b",".join([b'""'] * 4_000_000) + b'], "data": [[]]}}'
    ),
    "the protocol's lists": lambda: (
        b'{"inputs": {"distance": [' + b",".join([b"[]"] * 5_000_000) + b"]}}"
    ),
    "the protocol's rows": lambda: b'{"instances": [' + b",".join([b"[]"] * 5_000_000) + b"]}",
}


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_large_body_costs_little(service: Service, path: str, attack: str) -> None:
    """Refuse each kind of 16 MB with 4xx, a short message, and limited memory."""
    body = ATTACKS[attack]()
    assert FREE_BYTES < len(body) <= MAX_BODY_BYTES
    tracemalloc.start()
    try:
        answer = call(service, "POST", path, body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status in (400, 413, 422)
    assert len(answer.body) < 3_000
    assert most < 6 * MAX_BODY_BYTES + 32 * MEGABYTES


def test_a_long_text_of_a_category_is_a_category(service: Service) -> None:
    """Predict a long unknown text as any other unknown category."""
    long = call(service, "POST", "/predict", {**EXAMPLE, "carrier": "名" * MEGABYTES})
    short = call(service, "POST", "/predict", {**EXAMPLE, "carrier": "never seen"})
    assert long.status == short.status == 200
    assert long.json["probabilities"] == short.json["probabilities"]


def test_a_large_table_is_answered_as_its_rows_are(service: Service) -> None:
    """Answer a large table as its single rows, in each form.

    Its texts hold what would be brackets, commas and colons elsewhere.
    """
    odd = ["a:b", "[{]}", 'quoted "x":1', "naïve, 名", "\\", "", None]
    rows = [
        {**EXAMPLE, "distance": float(row), "carrier": odd[row % len(odd)]} for row in range(3_000)
    ]
    forms: list[Any] = [
        {"instances": rows},
        {"inputs": {name: [row[name] for row in rows] for name in reversed(NAMES)}},
        {
            "dataframe_split": {
                "columns": NAMES[::-1],
                "data": [list(row.values())[::-1] for row in rows],
            }
        },
    ]
    assert all(len(json.dumps(form)) > SMALL_BYTES for form in forms)
    expected = [
        call(service, "POST", "/predict", row).json["probabilities"]["late"] for row in rows[:50]
    ]
    many = call(service, "POST", "/predict", rows).json
    assert [shares["late"] for shares in many["probabilities"]][:50] == expected
    answers = [call(service, "POST", "/invocations", form).json["predictions"] for form in forms]
    assert answers[0] == answers[1] == answers[2]
    assert [record["prediction"] for record in answers[0]] == many["predictions"]


FAULTY_ROW = 2_999


@pytest.mark.parametrize(
    ("fault", "subject"),
    [
        ({"carier": "UA"}, "column 'carier'"),
        ({"distance": "far"}, "column 'distance'"),
        ({"distance": [1]}, "column 'distance'"),
    ],
)
def test_a_fault_far_down_is_named(service: Service, fault: dict, subject: str) -> None:
    """Name the row of a fault by its number in the whole list, not in the piece."""
    rows = [*[EXAMPLE] * FAULTY_ROW, {**EXAMPLE, **fault}]
    assert (
        call(service, "POST", "/predict", rows).json["error"]["subject"]
        == f"row {FAULTY_ROW}, {subject}"
    )


def repeat_member(name: str, text: str, blank: str) -> str:
    """Add a member that is there already, with blanks that serializers differ in."""
    return f"{text[:-1]},{blank}{json.dumps(name)}{blank}:{blank}null}}"


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(), blank=st.sampled_from(["", " ", "\t", "\n", "  "]), text=st.text(max_size=20)
)
def test_a_name_that_stands_there_twice_is_refused(
    service: Service, data: st.DataObject, blank: str, text: str
) -> None:
    """Refuse a repeated name in a row, a list, the protocol and its columns.

    The same row without it is answered.
    """
    name = data.draw(st.sampled_from(NAMES))
    row = {**EXAMPLE, "carrier": text}
    fine, wrong = json.dumps(row), repeat_member(name, json.dumps(row), blank)
    subject = f"column {name!r}"
    split = {"columns": [*NAMES, name], "data": [[*VALUES, None]]}
    inputs = repeat_member(name, json.dumps({name: [value] for name, value in row.items()}), blank)
    for path, body, expected in (
        ("/predict", fine, None),
        ("/predict", f"[{fine},{fine}]", None),
        ("/predict", wrong, subject),
        ("/predict", f"[{fine},{wrong}]", f"row 1, {subject}"),
        ("/invocations", json.dumps({"dataframe_split": split}), subject),
        ("/invocations", f'{{"inputs": {inputs}}}', subject),
        ("/invocations", f'{{"instances": [{fine}], "instances": [{fine}]}}', "column 'instances'"),
    ):
        answer = call(service, "POST", path, body.encode())
        assert answer.status == (200 if expected is None else 422)
        assert expected is None or answer.json["error"]["subject"] == expected


@settings(max_examples=300, deadline=None)
@given(
    path=st.sampled_from(["/predict", "/invocations"]),
    content=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(NAMES),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [*NAMES, "inputs", "instances", "dataframe_split", "columns", "data"]
                )
                | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
)
def test_no_json_is_a_fault_of_the_server(service: Service, path: str, content: Any) -> None:
    """Predict JSON of any shape, or refuse it by name."""
    answer = call(service, "POST", path, json.dumps(content).encode())
    assert answer.status in (200, 400, 422)


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=60),
    path=st.sampled_from(["/predict", "/invocations"]),
    packed=st.booleans(),
)
def test_no_bytes_are_a_fault_of_the_server(
    service: Service, body: bytes, path: str, packed: bool
) -> None:
    """Predict or refuse any bytes, also those that claim to be gzip."""
    answer = call(service, "POST", path, body, {"Content-Encoding": "gzip"} if packed else {})
    assert answer.status in (200, 400, 422)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_packed_body_is_unpacked(service: Service, encoding: str) -> None:
    """Answer a packed body as the plain one, small or large, of one member or two."""
    for rows in (1, 2_000):
        plain = json.dumps([EXAMPLE] * rows).encode()
        expected = call(service, "POST", "/predict", plain).json["predictions"]
        for packed in (
            gzip.compress(plain),
            gzip.compress(plain[:50]) + gzip.compress(plain[50:]),
            gzip.compress(plain) + b"\0" * 8,
        ):
            assert (
                call(service, "POST", "/predict", packed, {"Content-Encoding": encoding}).json[
                    "predictions"
                ]
                == expected
            )


@pytest.mark.parametrize(
    ("pack", "status"),
    [
        (lambda: gzip.compress(b" " * (MAX_BODY_BYTES + 1)), 413),
        (lambda: gzip.compress(gzip.compress(b" " * (100 * MEGABYTES))), 400),
        (lambda: gzip.compress(b"") * 50_000, 400),
        (lambda: gzip.compress(json.dumps(EXAMPLE).encode())[:-9], 400),
        (lambda: zlib.compress(json.dumps(EXAMPLE).encode()), 400),
        (lambda: json.dumps(EXAMPLE).encode(), 400),
        (lambda: b"", 400),
    ],
    ids=["a bomb", "a bomb in a bomb", "many members", "cut off", "zlib", "plain", "nothing"],
)
def test_a_body_that_is_wrongly_packed_is_refused(
    service: Service, pack: Callable[[], bytes], status: int
) -> None:
    """Refuse a wrongly packed body before it becomes large."""
    body = pack()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert call(service, "POST", "/predict", body, {"Content-Encoding": "gzip"}).status == status
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # kilobytes


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "größe"])
def test_other_encodings_are_refused(service: Service, encoding: str) -> None:
    """Refuse other encodings with 415, and name the header."""
    answer = call(service, "POST", "/predict", EXAMPLE, {"Content-Encoding": encoding})
    assert (answer.status, answer.json["error"]["subject"]) == (415, "the header Content-Encoding")


def test_more_rows_or_columns_than_there_may_be(service: Service) -> None:
    """Refuse too many rows or names with 413, and unknown names with 422."""
    for form in (
        {"instances": [EXAMPLE] * (MAX_ROWS + 1)},
        {"inputs": {name: [None] * (MAX_ROWS + 1) for name in NAMES}},
    ):
        assert call(service, "POST", "/invocations", form).status == 413
    wide = {f"column {number}": 1 for number in range(MAX_COLUMNS + 1)}
    assert call(service, "POST", "/predict", wide).status == 413
    assert (
        call(service, "POST", "/predict", {**EXAMPLE, **dict.fromkeys(map(str, range(100)))}).status
        == 422
    )
