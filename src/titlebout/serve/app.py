"""Answer the HTTP requests of one release, as an ASGI application.

docs/serving.md describes it to its users.
"""

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from titlebout.scoring import Decision, Encoder, Scores, finite_scores, load_predictor
from titlebout.serve.asgi import (
    HTML,
    TEXT,
    Headers,
    Receive,
    Reply,
    Scope,
    Send,
    json_reply,
    refuse_websocket,
    send_reply,
)
from titlebout.serve.bodies import Body, ByteBudget, ClientLeft
from titlebout.serve.clients import Clients
from titlebout.serve.cors import Cors
from titlebout.serve.inference_table import InferenceTable, Served, now
from titlebout.serve.meters import Meters
from titlebout.serve.openapi import example_row, openapi_document
from titlebout.serve.refusals import RETRY_SECONDS, Overloaded, status_of
from titlebout.serve.release_page import describe_release, render_page
from titlebout.serve.requests import (
    RequestColumns,
    read_event_time,
    read_invocations,
    read_predict,
    read_request_id,
)
from titlebout.serve.server_settings import ServerSettings
from titlebout.serve.worker_threads import WorkerThreads
from titlebout.spec import PROBE_HEADER, Input, InputError, shown_name

log = logging.getLogger("titlebout.serve")

# BentoML answers GET there; other methods come here.
BENTOML_PATHS = ("/livez", "/readyz", "/healthz")
PROBE = PROBE_HEADER.lower().encode()


class Call(NamedTuple):
    """Hold one request, read whole; `started` is a reading of `time.perf_counter`."""

    headers: Mapping[bytes, bytes]
    body: bytes
    request_id: str
    probe: bool
    started: float


Handler = Callable[[Call], Reply]


class Endpoint(NamedTuple):
    """Hold the method and the handler of a path; None where BentoML answers."""

    method: str
    handler: Handler | None


class _Predicted(NamedTuple):
    single: bool
    scores: Scores
    predictions: Sequence[Any]


class Service:
    """Answer the requests of one release.

    Raise IntegrityError if the model is not the one that the release names.
    """

    def __init__(self, model_folder: Path, deployment: ServerSettings) -> None:
        self._release, self._slot = deployment.release, deployment.slot
        self._release_id = self._release.id
        self._predictor = load_predictor(model_folder, digest=self._release.model_digest)
        self._contract = self._predictor.contract
        threshold = self._release.threshold
        self._decision = Decision(
            self._contract, self._contract.threshold if threshold is None else threshold
        )
        self._encoder = Encoder(self._contract.inputs, missing=self._contract.missing)
        self._predictor.scores(
            self._encoder.encode(
                {name: [value] for name, value in example_row(self._contract).items()}
            )
        )
        self._table = InferenceTable(
            deployment.inference, self._contract, release=self._release_id, slot=self._slot
        )
        labels = {
            "release": self._release_id,
            "slot": self._slot,
            "model": self._release.model,
            "engine": self._contract.engine.name,
        }
        self._meters = Meters(self._table, labels=labels)
        self._budget, self._threads, self._cors = (
            ByteBudget(),
            WorkerThreads(),
            Cors(deployment.origins),
        )
        self._probe_secret = deployment.probe_secret.encode()
        self._clients = Clients(deployment.client, release=self._release_id)
        self._fixed_headers: Headers = [(b"x-titlebout-release", self._release_id.encode())]
        self._routes = self._make_routes()

    @property
    def release_id(self) -> str:
        """Return the id of the release that is served."""
        return self._release_id

    @property
    def is_ready(self) -> bool:
        """Tell whether predictions can be kept.

        The model has predicted its example, or there would be no service.
        """
        return self._table.works

    def close(self) -> None:
        """Write everything that was answered to disk, and end the threads."""
        self._threads.close()
        self._table.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks."""
        if scope["type"] == "websocket":
            await refuse_websocket(receive, send)
            return
        request_headers = dict(scope["headers"])  # ASGI gives names in lower case
        async with Body(self._budget, request_headers, receive) as body:
            await self._answer(scope, request_headers, body, send)

    async def _answer(
        self, scope: Scope, request_headers: Mapping[bytes, bytes], body: Body, send: Send
    ) -> None:
        started = time.perf_counter()
        route = self._routes.get(scope["path"])
        request_id, probe = _new_request_id(), self.is_probe(request_headers)
        headers = self._fixed_headers + self._cors.headers(request_headers)
        try:
            request_id = _read_request_id(request_headers) or request_id
            reply = await self._reply(
                scope,
                route,
                Call(request_headers, b"", request_id, probe, started),
                body=body,
                headers=headers,
            )
        except InputError as error:
            reply = _refusal_reply(error, request_id)
            if isinstance(error, Overloaded):
                headers.append((b"retry-after", b"%d" % RETRY_SECONDS))
        except ClientLeft:
            return
        except Exception:
            log.exception("request %s to %s failed", request_id, shown_name(scope["path"]))
            reply = _error_reply(
                "the server",
                request_id,
                500,
                expected="an answer",
                found="a fault",
                next_step="look in the server's log",
            )
        headers.append((b"x-request-id", request_id.encode()))
        await send_reply(send, reply, headers)
        self._meters.answered(
            scope["path"] if route else "unknown",
            reply.status,
            time.perf_counter() - started,
            probe=probe,
        )

    async def _reply(
        self, scope: Scope, route: Endpoint | None, call: Call, *, body: Body, headers: Headers
    ) -> Reply:
        path = shown_name(scope["path"])
        if route is None:
            known = ", ".join(self._routes)
            return _error_reply(
                "the path",
                call.request_id,
                404,
                expected=known,
                found=path,
                next_step="check the address",
            )
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method == "OPTIONS" and (allowed := self._cors.preflight(call.headers)) is not None:
            headers[:] = self._fixed_headers + allowed
            return Reply(204, b"")
        if method != route.method or route.handler is None:
            headers.append((b"allow", route.method.encode()))
            return _error_reply(
                path,
                call.request_id,
                405,
                expected=route.method,
                found=method,
                next_step=f"use {route.method}",
            )
        if route.method == "GET":
            return route.handler(call)
        whole = call._replace(body=await body.read())
        with self._meters.working(scope["path"], size=len(whole.body)):
            return await self._threads.run(partial(route.handler, whole), size=len(whole.body))

    def is_probe(self, request_headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether the platform itself sent the request.

        It knows the secret that this deployment was given.
        """
        given = request_headers.get(PROBE)
        return (
            given is not None
            and bool(self._probe_secret)
            and hmac.compare_digest(given, self._probe_secret)
        )

    def _make_routes(self) -> dict[str, Endpoint]:
        openapi = json_reply(openapi_document(self._contract, release=self._release_id))
        description = describe_release(
            self._release, self._contract, slot=self._slot, threshold=self._decision.threshold
        )
        return {
            "/predict": Endpoint("POST", self._predict),
            "/invocations": Endpoint("POST", self._invocations),
            "/release": Endpoint("GET", _fixed_handler(json_reply(description))),
            "/metrics": Endpoint("GET", self._metrics),
            "/openapi.json": Endpoint("GET", _fixed_handler(openapi)),
            "/docs.json": Endpoint("GET", _fixed_handler(openapi)),
            "/": Endpoint("GET", self._page),
            **{path: Endpoint("GET", None) for path in BENTOML_PATHS},
        }

    def _predict(self, call: Call) -> Reply:
        predicted = self._predict_rows(call, read=read_predict)
        answer: dict[str, Any] = {
            "request_id": call.request_id,
            "release": self._release_id,
            "slot": self._slot,
        }
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

    def _invocations(self, call: Call) -> Reply:
        predicted = self._predict_rows(call, read=read_invocations)
        return json_reply({"predictions": self._decision.records(predicted.scores)})

    def _predict_rows(
        self, call: Call, *, read: Callable[[bytes, Sequence[Input]], RequestColumns]
    ) -> _Predicted:
        """Return scores and predictions.

        They go to the inference table, unless the platform itself sent the request.
        """
        arrived = now() - timedelta(seconds=time.perf_counter() - call.started)
        event_time = call.headers.get(b"x-event-time")
        moment = arrived if event_time is None else read_event_time(event_time, arrived=arrived)
        request = read(call.body, self._contract.inputs)
        scores = self._compute_scores(request)
        predictions = self._decision.predictions(scores)
        self._meters.predicted(request.rows)
        if not call.probe:
            milliseconds = (time.perf_counter() - call.started) * 1000
            client = self._clients.key(call.headers)
            self._table.put(
                Served(
                    call.request_id,
                    request.single,
                    moment,
                    request.columns,
                    predictions,
                    scores.tolist(),
                    milliseconds,
                    client,
                )
            )
        return _Predicted(request.single, scores, predictions)

    def _compute_scores(self, request: RequestColumns) -> Scores:
        return finite_scores(
            self._predictor,
            self._contract.inputs,
            self._encoder.encode(request.columns),
            request.columns,
        )

    def _metrics(self, _call: Call) -> Reply:
        return Reply(200, self._meters.text(), TEXT)

    def _page(self, call: Call) -> Reply:
        address = call.headers.get(b"host", b"localhost").decode("latin-1")
        return Reply(
            200,
            render_page(
                self._release, self._contract, slot=self._slot, address=f"http://{address}"
            ),
            HTML,
        )


def _fixed_handler(reply: Reply) -> Handler:
    def handler(_call: Call) -> Reply:
        return reply

    return handler


def _read_request_id(request_headers: Mapping[bytes, bytes]) -> str | None:
    given = request_headers.get(b"x-request-id")
    return None if given is None else read_request_id(given)


def _new_request_id() -> str:
    """Return 32 hexadecimal digits.

    The first 16 are the time, so ids sort in the order in which they were made.
    """
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


def _refusal_reply(error: InputError, request_id: str) -> Reply:
    return _error_reply(
        error.subject,
        request_id,
        status_of(error),
        expected=error.expected,
        found=error.found,
        next_step=error.next_step,
    )


def _error_reply(
    subject: str, request_id: str, status: int, *, expected: str, found: str, next_step: str
) -> Reply:
    error = {"subject": subject, "expected": expected, "found": found, "next": next_step}
    return json_reply({"request_id": request_id, "error": error}, status)
