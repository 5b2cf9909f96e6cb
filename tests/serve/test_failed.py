"""Keep requests that got no prediction, and time those that were undisturbed."""

import asyncio
import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.asgi_client import Answer, call

from titlebout.serve.asgi import json_reply, send_reply
from titlebout.serve.failed_requests import (
    KEPT_BYTES,
    KEPT_PER_CLIENT,
    MOST_CLIENTS,
    OTHERS,
    FailedRequestRecorder,
)
from titlebout.serve.flat_json import SMALL_BYTES
from titlebout.serve.meters import Meters
from titlebout.spec import ServerFailures

SECRET = {"X-Titlebout-Probe": "secret"}


async def by_first_byte(_scope: Any, receive: Any, send: Any) -> None:
    """Answer 200 for `g`, 4xx for `b`, 503 for `f`, and 500 for all else."""
    message, body = await receive(), b""
    while message.get("more_body"):
        body += message["body"]
        message = await receive()
    body += message.get("body", b"")
    status = {b"g": 200, b"b": 422, b"f": 503}.get(body[:1], 500)
    await send_reply(send, json_reply({}, status), [])


def ask(
    recorder: FailedRequestRecorder,
    body: bytes,
    *,
    client: str = "1.1.1.1",
    path: str = "/predict",
    **headers: str,
) -> Answer:
    """Send the body as the client."""

    async def at_client(scope: Any, receive: Any, send: Any) -> None:
        await recorder({**scope, "client": (client, 1)}, receive, send)

    return call(at_client, "POST", path, body, headers)


def read_failures(recorder: FailedRequestRecorder) -> ServerFailures:
    """Read what the recorder kept, as the platform does."""
    return ServerFailures.model_validate(
        call(recorder, "GET", "/failed", headers=SECRET).json, strict=False
    )


@pytest.fixture
def recorder() -> FailedRequestRecorder:
    """Record the failures of `by_first_byte`."""
    return FailedRequestRecorder(
        by_first_byte,
        is_platform=lambda sent: sent.get(b"x-titlebout-probe") == b"secret",
        salt="r",
    )


def test_a_request_without_a_prediction_is_kept_as_it_was_sent(recorder):
    """Keep body, path and headers as they were sent.

    Headers that name a person or belong to the connection are left out.
    """
    ask(recorder, b"good")
    ask(
        recorder,
        b"bad \xff",
        path="/invocations",
        **{"X-Event-Time": "tomorrow", "Cookie": "mine", "Authorization": "mine", "Host": "h"},
    )
    ask(recorder, b"error")
    (client,) = read_failures(recorder).clients
    assert (client.asked, client.refusals.seen, client.errors.seen) == (3, 1, 1)
    (kept,) = client.refusals.kept
    assert (base64.b64decode(kept.body), kept.path, kept.status) == (
        b"bad \xff",
        "/invocations",
        422,
    )
    assert kept.headers == {"x-event-time": "tomorrow"}
    assert client.errors.kept[0].status == 500


def test_nobody_but_the_platform_is_told(recorder):
    """Show clients' rows to the platform alone; without the secret the path is unknown."""
    ask(recorder, b"bad")
    for headers in ({}, {"X-Titlebout-Probe": "guess"}, {"X-Titlebout-Probe": ""}):
        answer = call(recorder, "GET", "/failed", headers=headers)
        assert (answer.status, answer.json) == (500, {})


def test_the_platform_s_own_requests_and_those_without_room_count_neither_way(recorder):
    """Count neither probes nor requests that an overloaded server refused."""
    ask(recorder, b"bad", **SECRET)
    ask(recorder, b"full")
    assert read_failures(recorder).clients == ()


def test_no_address_is_told(recorder):
    """Tell two clients apart by names that show no address."""
    ask(recorder, b"bad", client="10.1.2.3")
    ask(recorder, b"bad", client="10.1.2.4")
    names = {client.client for client in read_failures(recorder).clients}
    assert len(names) == 2
    assert not any("10" in name and "." in name for name in names)


def test_memory_is_bounded_whatever_comes(recorder):
    """Limit clients, requests of each, and bytes of each.

    A client that comes too late counts with all others.
    """
    for number in range(MOST_CLIENTS + 20):
        for _ in range(KEPT_PER_CLIENT + 5):
            ask(recorder, b"bad", client=f"c{number}")
    ask(recorder, b"b" * (KEPT_BYTES + 1), client="c0")
    ask(recorder, b"b", client="c0", **{"X-Large": "x" * 5000})
    clients = read_failures(recorder).clients
    assert len(clients) == MOST_CLIENTS + 1
    assert (
        sum(client.asked for client in clients) == (MOST_CLIENTS + 20) * (KEPT_PER_CLIENT + 5) + 2
    )
    assert next(client for client in clients if client.client == OTHERS).refusals.seen == 20 * (
        KEPT_PER_CLIENT + 5
    )
    assert all(len(client.refusals.kept) == KEPT_PER_CLIENT for client in clients)
    assert clients[0].refusals.seen == KEPT_PER_CLIENT + 5


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=30))
def test_every_request_is_counted_once(bodies):
    """Count every request once, as answered, refused or failed."""
    recorder = FailedRequestRecorder(
        by_first_byte, is_platform=lambda sent: b"x-titlebout-probe" in sent, salt="r"
    )
    for body in bodies:
        ask(recorder, body)
    wanted = [body for body in bodies if body[:1] != b"f"]
    found = read_failures(recorder).clients
    assert sum(client.asked for client in found) == len(wanted)
    assert sum(client.refusals.seen for client in found) == sum(body[:1] == b"b" for body in wanted)
    assert sum(client.errors.seen for client in found) == sum(
        body[:1] not in (b"b", b"g") for body in wanted
    )


class NoTable:
    """Provide as much of an inference table as the meters read."""

    def __getattr__(self, name: str) -> Any:
        return self if name == "counts" else 0


def timed(*steps: str) -> float:
    """Return how many requests were timed as undisturbed.

    In each step a small or large request begins (`s`, `L`), ends (`/s`, `/L`) or fails (`!s`).
    """
    meters, open_ = Meters(NoTable(), labels={}), {}  # type: ignore[arg-type]

    async def run() -> None:
        for step in steps:
            kind = step[-1]
            if step[0] in "/!":
                error = (
                    (ValueError, ValueError("refused"), None)
                    if step[0] == "!"
                    else (None, None, None)
                )
                open_.pop(kind).__exit__(*error)
            else:
                open_[kind] = meters.working("/predict", size=SMALL_BYTES + (kind == "L"))
                open_[kind].__enter__()

    with suppress(ValueError):
        asyncio.run(run())
    lines = meters.text().decode().splitlines()
    found = [
        line
        for line in lines
        if line.startswith('titlebout_undisturbed_seconds_count{endpoint="/predict"}')
    ]
    return float(found[0].split()[-1]) if found else 0.0


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        (["s", "/s"], 1),
        (["L", "/L"], 0),
        (["L", "s", "/s", "/L"], 0),
        (["s", "L", "/s", "/L"], 0),
        (["s", "L", "/L", "/s"], 0),
        (["L", "/L", "s", "/s"], 1),
        (["s", "!s"], 0),
    ],
)
def test_only_small_requests_that_no_large_one_disturbed_are_timed(steps, count):
    """Time only small requests that got a prediction while no large one was in work."""
    assert timed(*steps) == count
