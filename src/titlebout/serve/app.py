"""The HTTP service of one release, as an ASGI application. docs/serving.md describes it to its users."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from titlebout.serve.answers import Decision
from titlebout.serve.asgi import HTML, TEXT, ClientLeft, Headers, Receive, Reply, Scope, Send, header, json_reply, read_body, send_reply
from titlebout.serve.columns import encode
from titlebout.serve.deployment import Deployment
from titlebout.serve.inference_table import InferenceTable, Served, now
from titlebout.serve.meters import Meters
from titlebout.serve.openapi import document, example_row
from titlebout.serve.predictor import Scores, load_predictor
from titlebout.serve.release_page import about, page
from titlebout.serve.requests import Asked, Malformed, TooLarge, read_event_time, read_invocations, read_predict, read_request_id
from titlebout.spec import PROBE_PREFIX, Input, InputError

log = logging.getLogger("titlebout.serve")

# More rows than this take milliseconds, and are computed in a thread while other requests are answered.
MANY_ROWS = 256
BENTOML_PATHS = ("/livez", "/readyz", "/healthz")  # BentoML answers GET there; other methods come here
Handler = Callable[[Scope, bytes, str], Awaitable[Reply]]


class Route(NamedTuple):
    method: str
    handler: Handler | None


class _Predicted(NamedTuple):
    single: bool
    scores: Scores
    predictions: Sequence[Any]


class Service:
    """Raises IntegrityError if the model is not the one that the release names."""

    def __init__(self, model_folder: Path, deployment: Deployment) -> None:
        self._release, self._slot = deployment.release, deployment.slot
        self._release_id = self._release.id
        self._predictor = load_predictor(model_folder, digest=self._release.model_digest)
        self._contract = self._predictor.contract
        threshold = self._release.threshold
        self._decision = Decision(self._contract, self._contract.threshold if threshold is None else threshold)
        self._predictor.scores(encode(self._contract.inputs, {name: [value] for name, value in example_row(self._contract).items()}))
        self._table = InferenceTable(deployment.inference, self._contract, release=self._release_id, slot=self._slot)
        labels = {"release": self._release_id, "slot": self._slot, "model": self._release.model, "engine": self._contract.engine.name}
        self._meters = Meters(self._table, labels=labels)
        self._fixed_headers: Headers = [(b"x-titlebout-release", self._release_id.encode())]
        self._routes = self._make_routes()

    @property
    def is_ready(self) -> bool:
        """The model has predicted its example, or there would be no service; and predictions can be kept."""
        return self._table.works

    def close(self) -> None:
        """Everything that was answered is on disk when this returns."""
        self._table.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        route = self._routes.get(scope["path"])
        request_id = _new_request_id()
        headers = list(self._fixed_headers)
        try:
            request_id = _request_id(scope) or request_id
            reply = await self._reply(route, scope, receive, request_id=request_id, headers=headers)
        except InputError as error:
            reply = _refusal(error, request_id)
        except ClientLeft:
            return
        except Exception:
            log.exception("request %s to %s failed", request_id, scope["path"])
            reply = _fault("the server", request_id, 500, expected="an answer", found="a fault", next_step="look in the server's log")
        headers.append((b"x-request-id", request_id.encode()))
        await send_reply(send, reply, headers)
        endpoint, probe = scope["path"] if route else "unknown", request_id.startswith(PROBE_PREFIX)
        self._meters.answered(endpoint, reply.status, time.perf_counter() - started, probe=probe)

    async def _reply(self, route: Route | None, scope: Scope, receive: Receive, *, request_id: str, headers: Headers) -> Reply:
        if route is None:
            known = ", ".join(self._routes)
            return _fault("the path", request_id, 404, expected=known, found=scope["path"], next_step="check the address")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method != route.method or route.handler is None:
            headers.append((b"allow", route.method.encode()))
            return _fault(scope["path"], request_id, 405, expected=route.method, found=method, next_step=f"use {route.method}")
        body = await read_body(scope, receive) if route.method == "POST" else b""
        return await route.handler(scope, body, request_id)

    def _make_routes(self) -> dict[str, Route]:
        described = json_reply(document(self._contract, release=self._release_id))
        own = about(self._release, self._contract, slot=self._slot, threshold=self._decision.threshold)
        return {
            "/predict": Route("POST", self._predict),
            "/invocations": Route("POST", self._invocations),
            "/release": Route("GET", _always(json_reply(own))),
            "/metrics": Route("GET", self._metrics),
            "/openapi.json": Route("GET", _always(described)),
            "/docs.json": Route("GET", _always(described)),
            "/": Route("GET", self._page),
            **{path: Route("GET", None) for path in BENTOML_PATHS},
        }

    async def _predict(self, scope: Scope, body: bytes, request_id: str) -> Reply:
        predicted = await self._predicted(scope, body, request_id, read=read_predict)
        answer: dict[str, Any] = {"request_id": request_id, "release": self._release_id, "slot": self._slot}
        probabilities = self._decision.probabilities(predicted.scores)
        if predicted.single:
            answer["prediction"] = predicted.predictions[0]
        else:
            answer["predictions"] = predicted.predictions
        if probabilities is not None:
            answer["probabilities"] = probabilities[0] if predicted.single else probabilities
        if self._decision.threshold is not None:
            answer["threshold"] = self._decision.threshold
        return json_reply(answer)

    async def _invocations(self, scope: Scope, body: bytes, request_id: str) -> Reply:
        predicted = await self._predicted(scope, body, request_id, read=read_invocations)
        return json_reply({"predictions": self._decision.records(predicted.scores)})

    async def _predicted(
        self, scope: Scope, body: bytes, request_id: str, *, read: Callable[[bytes, Sequence[Input]], Asked]
    ) -> _Predicted:
        """Scores and predictions; they are on their way into the inference table, unless the platform itself asked."""
        started = time.perf_counter()
        event_time = header(scope, b"x-event-time")
        moment = read_event_time(event_time) if event_time is not None else now()
        asked = read(body, self._contract.inputs)
        scores = await asyncio.to_thread(self._scores, asked) if asked.rows > MANY_ROWS else self._scores(asked)
        predictions = self._decision.predictions(scores)
        self._meters.predicted(asked.rows)
        if not request_id.startswith(PROBE_PREFIX):
            milliseconds = (time.perf_counter() - started) * 1000
            self._table.put(Served(request_id, asked.single, moment, asked.columns, predictions, scores.tolist(), milliseconds))
        return _Predicted(asked.single, scores, predictions)

    def _scores(self, asked: Asked) -> Scores:
        return self._predictor.scores(encode(self._contract.inputs, asked.columns))

    async def _metrics(self, _scope: Scope, _body: bytes, _request_id: str) -> Reply:
        return Reply(200, self._meters.text(), TEXT)

    async def _page(self, scope: Scope, _body: bytes, _request_id: str) -> Reply:
        address = (header(scope, b"host") or b"localhost").decode("latin-1")
        return Reply(200, page(self._release, self._contract, slot=self._slot, address=f"http://{address}"), HTML)


def _always(reply: Reply) -> Handler:
    async def handler(_scope: Scope, _body: bytes, _request_id: str) -> Reply:
        return reply

    return handler


def _request_id(scope: Scope) -> str | None:
    given = header(scope, b"x-request-id")
    return None if given is None else read_request_id(given)


def _new_request_id() -> str:
    """32 hexadecimal digits, the first 16 of them the time: ids sort as they were made."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


def _refusal(error: InputError, request_id: str) -> Reply:
    status = 400 if isinstance(error, Malformed) else 413 if isinstance(error, TooLarge) else 422
    return _fault(error.subject, request_id, status, expected=error.expected, found=error.found, next_step=error.next_step)


def _fault(subject: str, request_id: str, status: int, *, expected: str, found: str, next_step: str) -> Reply:
    error = {"subject": subject, "expected": expected, "found": found, "next": next_step}
    return json_reply({"request_id": request_id, "error": error}, status)
