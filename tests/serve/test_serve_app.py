"""Answer requests, one by one.

tests/serve/test_serving_process.py runs the service as a real process.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from support.asgi_client import call
from support.fitted_models import EXAMPLE, INPUTS, contract, fit, frame, table

from titlebout.packaging.model_folder import write_model
from titlebout.serve import bodies, inference_table, requests
from titlebout.serve.app import Service
from titlebout.serve.inference_rows import InferenceRows
from titlebout.serve.server_settings import ServerSettings
from titlebout.spec import IntegrityError, Release, Task, digest_of_folder

SECRET = "known to this deployment alone"
AS_PROBE = {"X-Titlebout-Probe": SECRET}


@pytest.fixture
def service(model: Path, release: Release, tmp_path: Path) -> Iterator[Service]:
    """Serve the model in the slot blue."""
    service = Service(model, ServerSettings(release, "blue", str(tmp_path / "inference"), SECRET))
    yield service
    service.close()


def rows_in(folder: Path) -> list[dict]:
    """Read all rows of the inference table in the folder."""
    return ds.dataset(folder, partitioning="hive").to_table().to_pylist()


def test_one_row_is_answered_by_name(service: Service, release: Release) -> None:
    """One row gets class, probabilities, the release's threshold, and who answered.

    The probabilities add up to 1; body and headers name the release.
    """
    answer = call(service, "POST", "/predict", EXAMPLE, {"X-Request-Id": "mine"})
    assert answer.status == 200
    assert {**answer.json, "prediction": None, "probabilities": None} == {
        "request_id": "mine",
        "release": release.id,
        "slot": "blue",
        "prediction": None,
        "probabilities": None,
        "threshold": 0.25,
    }
    assert sum(answer.json["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-titlebout-release"] == release.id


def test_the_release_decides_the_threshold(service: Service) -> None:
    """Predictions follow the release's 0.25, not the contract's 0.4.

    The table holds rows on which the two differ.
    """
    columns = table(200, seed=3)
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    answer = call(service, "POST", "/predict", rows).json
    positive = [shares["on time"] for shares in answer["probabilities"]]
    assert answer["predictions"] == ["on time" if share >= 0.25 else "late" for share in positive]
    assert any(0.25 <= share < 0.4 for share in positive)


def test_a_list_is_answered_in_order(service: Service) -> None:
    """Each row's answer is the one that it gets alone."""
    rows = [EXAMPLE, {**EXAMPLE, "carrier": "never seen"}, dict.fromkeys(EXAMPLE)]
    together = call(service, "POST", "/predict", rows).json
    alone = [call(service, "POST", "/predict", row).json for row in rows]
    assert together["predictions"] == [answer["prediction"] for answer in alone]
    assert together["probabilities"] == [answer["probabilities"] for answer in alone]
    assert len({str(shares) for shares in together["probabilities"]}) > 1


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks(task: Task, release: Release, tmp_path: Path) -> None:
    """Multiclass has all probabilities and predicts the largest; regression has none.

    Neither has a threshold.
    """
    write_model(
        tmp_path / "model", pipeline=fit(task), contract=contract(task), sample=frame(table())
    )
    changed = release.model_copy(
        update={"model_digest": digest_of_folder(tmp_path / "model"), "threshold": None}
    )
    service = Service(
        tmp_path / "model", ServerSettings(changed, "blue", str(tmp_path / "inference"))
    )
    one = call(service, "POST", "/predict", EXAMPLE).json
    records = call(service, "POST", "/invocations", {"instances": [EXAMPLE]}).json["predictions"]
    service.close()
    assert "threshold" not in one
    kept = rows_in(tmp_path / "inference")[0]
    if task == "regression":
        assert records == [{"prediction": one["prediction"]}]
        assert kept["prediction"] == kept["score"] == one["prediction"]
    else:
        assert one["prediction"] == max(one["probabilities"], key=one["probabilities"].get)
        assert records[0]["score.early"] == one["probabilities"]["early"]
        assert max(kept["scores"]) == kept["score"]


@pytest.mark.parametrize(
    ("body", "status", "subject"),
    [
        (b"not json", 400, "the body"),
        (b"", 400, "the body"),
        (b"\xff\xfe", 400, "the body"),
        (b"[" * 10_000, 400, "the body"),
        (3, 400, "the body"),
        ([], 422, "the list"),
        ([EXAMPLE, 3], 422, "row 1"),
        ({**EXAMPLE, "carier": "UA"}, 422, "column 'carier'"),
        (
            {name: value for name, value in EXAMPLE.items() if name != "origin"},
            422,
            "column 'origin'",
        ),
        ([EXAMPLE, {**EXAMPLE, "distance": "far"}], 422, "row 1, column 'distance'"),
        ({**EXAMPLE, "holiday": 2}, 422, "column 'holiday'"),
        ({**EXAMPLE, "departs": "tomorrow"}, 422, "column 'departs'"),
        (b'{"distance": 1e999}', 400, "the body"),
    ],
)
def test_wrong_input_is_named(service: Service, body: object, status: int, subject: str) -> None:
    """Wrong input gets 4xx, with what was expected, what was found, and what to do."""
    answer = call(service, "POST", "/predict", body)
    assert (answer.status, answer.json["error"]["subject"]) == (status, subject)
    assert all(answer.json["error"][key] for key in ("expected", "found", "next"))
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_too_much_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many rows or bytes get 413.

    Bytes are refused before they are read or, without a length, while they come.
    """
    monkeypatch.setattr(requests, "MAX_ROWS", 2)
    assert call(service, "POST", "/predict", [EXAMPLE] * 2).status == 200
    assert call(service, "POST", "/predict", [EXAMPLE] * 3).status == 413
    assert (
        call(
            service, "POST", "/invocations", {"inputs": {name: [None] * 3 for name in EXAMPLE}}
        ).status
        == 413
    )
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 20)
    assert call(service, "POST", "/predict", EXAMPLE).status == 413
    assert call(service, "POST", "/predict", b"", {"Content-Length": "21"}).status == 413


def test_mlflows_protocol(service: Service) -> None:
    """All forms of the protocol give the same records, named as in the model's signature."""
    names, values = list(EXAMPLE), list(EXAMPLE.values())
    forms = [
        {"dataframe_split": {"columns": names[::-1], "index": [0], "data": [values[::-1]]}},
        {"dataframe_records": [EXAMPLE]},
        {"instances": [EXAMPLE]},
        {"inputs": {name: [value] for name, value in EXAMPLE.items()}},
        {"inputs": [EXAMPLE]},
    ]
    answers = [call(service, "POST", "/invocations", form) for form in forms]
    assert {answer.status for answer in answers} == {200}
    assert all(answer.json == answers[0].json for answer in answers)
    record = answers[0].json["predictions"][0]
    assert record["prediction"] == call(service, "POST", "/predict", EXAMPLE).json["prediction"]
    assert set(record) == {"prediction", "score.late", "score.on time"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (EXAMPLE, 400),
        ([EXAMPLE], 400),
        ({"instances": [EXAMPLE], "inputs": [EXAMPLE]}, 400),
        ({"instances": 3}, 400),
        ({"dataframe_split": {"columns": ["distance"]}}, 400),
        ({"dataframe_split": {"columns": ["distance"], "data": [[1, 2]]}}, 422),
        ({"dataframe_split": {"columns": ["distance"], "data": [[1]]}}, 422),
        ({"instances": [[1, 2]]}, 422),
        ({"inputs": {"distance": 3}}, 422),
        (
            {
                "inputs": {
                    **{name: [value] for name, value in EXAMPLE.items()},
                    "carrier": ["UA", "AA"],
                }
            },
            422,
        ),
        ({"inputs": {}}, 422),
        ({"dataframe_records": []}, 422),
    ],
)
def test_wrong_protocol_is_named(service: Service, body: object, status: int) -> None:
    """A wrong form of the protocol is refused, never a fault of the server."""
    assert call(service, "POST", "/invocations", body).status == status


def test_paths_and_methods(service: Service) -> None:
    """Unknown paths get 404, wrong methods 405 with the allowed one; HEAD is as GET."""
    assert call(service, "GET", "/nothing").status == 404
    wrong = call(service, "GET", "/predict")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert call(service, "DELETE", "/livez").status == 405
    assert call(service, "HEAD", "/release").status == 200


def test_unknown_paths_make_no_series(service: Service) -> None:
    """Many unknown paths are one series."""
    before = call(service, "GET", "/metrics").body.count(b"\n")
    for number in range(3):
        call(service, "GET", f"/nothing/{number}")
    once = call(service, "GET", "/metrics").body
    for number in range(20):
        call(service, "GET", f"/nothing/{number}")
    assert call(service, "GET", "/metrics").body.count(b"\n") == once.count(b"\n") > before
    assert b'titlebout_requests_total{endpoint="unknown",status="404"} 3.0' in once


def test_metrics_count_requests_and_rows(service: Service) -> None:
    """Metrics count requests by endpoint and status, and rows as many as were predicted."""
    call(service, "POST", "/predict", [EXAMPLE] * 3)
    call(service, "POST", "/predict", [])
    text = call(service, "GET", "/metrics").body.decode()
    assert 'titlebout_requests_total{endpoint="/predict",status="200"} 1.0' in text
    assert 'titlebout_requests_total{endpoint="/predict",status="422"} 1.0' in text
    assert 'titlebout_request_seconds_count{endpoint="/predict"} 2.0' in text
    assert "titlebout_rows_predicted_total 3.0" in text


def test_metrics_tell_the_platform_s_own_requests_apart(service: Service) -> None:
    """Probes count with the other requests, and once more as probes.

    So a bake knows what clients were refused.
    """
    call(service, "POST", "/predict", [], AS_PROBE)
    call(service, "POST", "/predict", [], {"X-Request-Id": "titlebout-probe-1"})
    text = call(service, "GET", "/metrics").body.decode()
    assert 'titlebout_requests_total{endpoint="/predict",status="422"} 2.0' in text
    assert 'titlebout_probes_total{endpoint="/predict",status="422"} 1.0' in text


@pytest.mark.parametrize("request_id", ["", "x" * 129, "tab\there", "größe"])
def test_a_request_id_that_cannot_be_kept_is_refused(service: Service, request_id: str) -> None:
    """A bad request id gets 400, and the answer has an id of the server's own."""
    answer = call(service, "POST", "/predict", EXAMPLE, {"X-Request-Id": request_id})
    assert answer.status == 400
    assert len(answer.headers["x-request-id"]) == 32


def test_made_request_ids_are_all_different_and_in_order(service: Service) -> None:
    """Request ids of the server are unique and sort as they were made."""
    made = [call(service, "POST", "/predict", EXAMPLE).json["request_id"] for _ in range(20)]
    assert made == sorted(set(made))


def test_the_release_is_described(service: Service, release: Release) -> None:
    """/release gives the release's record, the engine with its reason, and the contract."""
    about = call(service, "GET", "/release").json
    assert about["release"] == release.id
    assert Release.model_validate(about["record"]) == release
    assert about["engine"]["name"] == "onnx"
    assert [column["name"] for column in about["contract"]["inputs"]] == [
        column.name for column in INPUTS
    ]


def test_the_documents_example_can_be_sent(service: Service) -> None:
    """OpenAPI's example is answered, and its schema names and types every column.

    /docs.json is the same document.
    """
    document = call(service, "GET", "/openapi.json").json
    for path in ("/predict", "/invocations"):
        example = document["paths"][path]["post"]["requestBody"]["content"]["application/json"][
            "example"
        ]
        assert call(service, "POST", path, example).status == 200
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == list(EXAMPLE)
    assert row["properties"]["seat count"]["type"] == ["number", "null"]
    assert call(service, "GET", "/docs.json").json == document


def test_the_page_shows_a_call(service: Service) -> None:
    """The page shows a call with the address that its reader used."""
    page = call(service, "GET", "/", headers={"Host": "example.test:5700"}).body.decode()
    assert "curl -s http://example.test:5700/predict" in page


def test_everything_answered_is_in_the_table_once_closed(
    model: Path, release: Release, tmp_path: Path
) -> None:
    """The table holds what clients sent: features, ids per row, and the client's time.

    It holds nothing of what was refused or of what the platform sent.
    """
    service = Service(model, ServerSettings(release, "green", str(tmp_path), SECRET))
    call(
        service,
        "POST",
        "/predict",
        EXAMPLE,
        {"X-Request-Id": "one", "X-Event-Time": "2013-07-01T02:00:00+02:00"},
    )
    call(service, "POST", "/predict", [EXAMPLE, dict.fromkeys(EXAMPLE)], {"X-Request-Id": "two"})
    call(service, "POST", "/predict", EXAMPLE, AS_PROBE)
    call(service, "POST", "/predict", [EXAMPLE, 3])
    service.close()
    rows = {row["request_id"]: row for row in rows_in(tmp_path)}
    assert set(rows) == {"one", "two/0", "two/1"}
    assert (
        str(rows["one"]["date"])
        == rows["one"]["arrived"].date().isoformat()
        == datetime.now(UTC).date().isoformat()
    )
    assert rows["one"]["time"].isoformat() == "2013-07-01T00:00:00+00:00"
    sent = {name: rows["one"][f"feature.{name}"] for name in EXAMPLE}
    assert {**sent, "departs": sent["departs"].isoformat()} == {
        **EXAMPLE,
        "departs": "2013-07-04T17:30:00",
    }
    assert all(rows["two/1"][f"feature.{name}"] is None for name in EXAMPLE)
    assert {row["release"] for row in rows.values()} == {release.id}
    assert 0 <= rows["one"]["score"] <= 1


def test_a_wrong_event_time_is_refused(service: Service) -> None:
    """A wrong event time gets 400, which names the header."""
    answer = call(service, "POST", "/predict", EXAMPLE, {"X-Event-Time": "July"})
    assert (answer.status, answer.json["error"]["subject"]) == (400, "the header X-Event-Time")


def test_readiness_and_metrics_see_a_writer_that_can_write_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that cannot keep rows predicts, is not ready, and counts what was lost."""
    monkeypatch.setattr(inference_table, "FLUSH_SECONDS", 0.01)
    assert service.is_ready
    monkeypatch.setattr(InferenceRows, "table", lambda *_: 1 / 0)
    assert call(service, "POST", "/predict", [EXAMPLE] * 3).status == 200
    while "titlebout_inference_rows_unwritable_total 0.0" in (
        text := call(service, "GET", "/metrics").body.decode()
    ):
        assert "titlebout_inference_works" in text
    assert "titlebout_inference_rows_unwritable_total 3.0" in text
    while service.is_ready:
        assert service._table._thread.is_alive()
    assert "titlebout_inference_works 0.0" in call(service, "GET", "/metrics").body.decode()


def test_a_websocket_is_closed_before_it_opens(service: Service) -> None:
    """The application closes a WebSocket that the HTTP server passes on.

    `bentoml serve` passes it on; it is answered 403.
    """
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "websocket.connect"}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(service({"type": "websocket", "path": "/predict", "headers": []}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_only_the_secret_makes_a_probe(model: Path, release: Release, tmp_path: Path) -> None:
    """Neither a request id nor a guess keeps a client out of the table.

    Without a secret of its own, a server knows no probes.
    """
    given = [
        {"X-Request-Id": "titlebout-probe-1"},
        {"X-Titlebout-Probe": "guess"},
        {"X-Titlebout-Probe": ""},
        {"X-Titlebout-Probe": "größe"},
    ]
    for secret, expected in ((SECRET, len(given)), ("", len(given) + 1)):
        folder = tmp_path / f"of{len(secret)}"
        service = Service(model, ServerSettings(release, "blue", str(folder), secret))
        for headers in (*given, AS_PROBE):
            assert call(service, "POST", "/predict", EXAMPLE, headers).status == 200
        service.close()
        assert len(rows_in(folder)) == expected


@pytest.mark.parametrize(
    ("days", "status"),
    [(-36_000, 200), (-1, 200), (0.9, 200), (1.1, 422), (3_000, 422), (-37_000, 422)],
)
def test_a_time_that_is_to_come_is_refused(service: Service, days: float, status: int) -> None:
    """Past event times are allowed; future ones, and those of a zeroed clock, are not."""
    time = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    answer = call(service, "POST", "/predict", EXAMPLE, {"X-Event-Time": time})
    assert answer.status == status
    assert status == 200 or answer.json["error"]["subject"] == "the header X-Event-Time"


APP, OTHER = "https://app.example.com", "https://evil.example.com"


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((), APP, None),
        ((APP,), APP, APP),
        ((APP,), OTHER, None),
        ((APP,), None, None),
        (("*",), OTHER, "*"),
    ],
)
def test_origins_are_allowed_by_configuration(
    model: Path,
    release: Release,
    tmp_path: Path,
    *,
    origins: tuple[str, ...],
    origin: str | None,
    allowed: str | None,
) -> None:
    """Preflight, answer and error allow the configured origins alike.

    Without configuration there are no such headers, and OPTIONS is no method.
    """
    service = Service(model, ServerSettings(release, "blue", str(tmp_path), "", origins))
    headers = {} if origin is None else {"Origin": origin}
    asks = {**headers, "Access-Control-Request-Method": "POST"}
    preflight = call(service, "OPTIONS", "/predict", b"", asks)
    assert preflight.status == (204 if origins else 405)
    answers = [
        preflight,
        call(service, "POST", "/predict", EXAMPLE, headers),
        call(service, "POST", "/predict", [], headers),
    ]
    service.close()
    assert [answer.headers.get("access-control-allow-origin") for answer in answers] == [
        allowed
    ] * 3
    assert ("content-type" in preflight.headers.get("access-control-allow-headers", "")) == (
        allowed is not None
    )


def test_another_model_than_the_releases_is_refused(
    model: Path, release: Release, tmp_path: Path
) -> None:
    """A Champion whose artifact was altered does not start."""
    with pytest.raises(IntegrityError, match="altered"):
        Service(
            model,
            ServerSettings(
                release.model_copy(update={"model_digest": "0" * 64}), "blue", str(tmp_path)
            ),
        )


def test_a_fault_of_the_server_is_said_and_does_not_end_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault gets 500 with the request id; the next request is answered."""
    with monkeypatch.context() as broken:
        broken.setattr(service, "_compute_scores", lambda request: 1 / 0)
        answer = call(service, "POST", "/predict", EXAMPLE, {"X-Request-Id": "mine"})
    assert (answer.status, answer.json["request_id"]) == (500, "mine")
    assert call(service, "POST", "/predict", EXAMPLE).status == 200


def test_a_full_disk_does_not_fail_predictions(
    model: Path, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions go on without a disk, and the rows are written when it is back.

    Failures are counted meanwhile.
    """
    monkeypatch.setattr(inference_table, "FLUSH_SECONDS", 0.02)
    blocked = tmp_path / "inference"
    blocked.write_text("a file where the folder should be")
    service = Service(model, ServerSettings(release, "blue", str(blocked)))
    assert call(service, "POST", "/predict", EXAMPLE).status == 200
    while "titlebout_inference_write_failures_total 0.0" in (
        text := call(service, "GET", "/metrics").body.decode()
    ):
        assert "titlebout_inference_rows_waiting 1.0" in text
    blocked.unlink()
    assert call(service, "POST", "/predict", EXAMPLE).status == 200
    service.close()
    assert len(rows_in(blocked)) == 2
