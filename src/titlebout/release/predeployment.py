"""Test a release in its slot before any traffic goes there.

The tests are smoke, latency, throughput, load and stress.
"""

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from titlebout.http_client import send_request
from titlebout.loadgen import RELEASE_HEADER, REQUEST_ID_HEADER, Load, run_load, summary
from titlebout.spec import (
    PROBE_HEADER,
    PROBE_PREFIX,
    SPEED_WINDOWS,
    Progress,
    Record,
    RolloutError,
    ServiceObjective,
    SlotAddress,
)
from titlebout.waiting import wait_until

ANSWER_SECONDS = 5.0
STRESS_FACTOR = 4.0  # times the objective: a doubling of traffic, doubled again
# Enough to keep a server of two workers busy, few enough for this machine's sender.
THROUGHPUT_CLIENTS = 8
REFUSALS = frozenset({"429", "503"})  # an overloaded server may say so; it may not break
REFUSES = "refuses_todays_clients"
NEW_CONTRACT = (
    "Release the new contract under another model name and let the clients move, "
    "or with --override REASON if they change at this moment"
)
RECOVERY_SECONDS = 5.0  # a server that was overloaded must be healthy again by then
RECOVERY_POLL_SECONDS = 0.1


class SlotTest(Record):
    """Report one test's result: `detail` for people, `figures` for the ledger."""

    name: str
    passed: bool
    detail: str
    figures: dict[str, Any]


class Subject(Record):
    """Name the server under test, and the row that it is asked about.

    `live` is the address that answers clients today, or None. With `may_refuse` a person lets the
    new release refuse those clients' rows.
    """

    slot: SlotAddress
    release: str
    row: dict[str, Any]
    live: str | None
    may_refuse: bool

    @property
    def url(self) -> str:
        """Return the slot's own address."""
        return self.slot.url

    def load(self, rate: float) -> Load:
        """Return a load of `rate` requests per second on the slot."""
        return Load(
            f"{self.url}/predict",
            bodies=[self.row],
            rate=rate,
            request_id_prefix=PROBE_PREFIX,
            headers=proof(self.slot.secret),
        )

    def ask(self, row: dict[str, Any]) -> "SlotReply":
        """Ask for one prediction."""
        return post(f"{self.url}/predict", row, secret=self.slot.secret)


def run_tests(
    subject: Subject, objective: ServiceObjective, *, seconds: float, progress: Progress
) -> tuple[SlotTest, ...]:
    """Run every test, each `seconds` long, and return the results.

    Raise RolloutError at the first that fails: the others would say nothing more.
    """
    results = []
    for run in (_smoke, _latency, _throughput, _load, _stress):
        result = run(subject, objective, seconds)
        progress(f"test {result.name}: {'passed' if result.passed else 'FAILED'}, {result.detail}")
        if not result.passed:
            raise RolloutError(
                f"pre-deployment test {result.name} of release {subject.release[:12]}",
                expected="a slot that is fit for the traffic",
                found=result.detail,
                next_step="fix the model or its service objective in model.yaml; "
                "the live release was not touched",
            )
        results.append(result)
    return tuple(results)


def _smoke(subject: Subject, _objective: ServiceObjective, _seconds: float) -> SlotTest:
    """Require predictions for good rows, and a refusal for an unknown column.

    Good rows are the example rows of this release's contract and of the live one's, and a row of
    missing values.
    """
    example = subject.ask(subject.row)
    faults = _smoke_faults(subject, example)
    if subject.release not in get(f"{subject.url}/release"):
        faults.append("GET /release names another release")
    if example.release != subject.release:
        faults.append(f"the answer is from release {(example.release or 'unnamed')[:12]}")
    refusal = _refusal_of_live_example(subject)
    if refusal and not subject.may_refuse:
        faults.append(f"{refusal}: clients of today would be refused. {NEW_CONTRACT}")
    passed_detail = (
        f"{refusal}, which a person overrides" if refusal else "predicts, and refuses what is wrong"
    )
    return SlotTest(
        name="smoke",
        passed=not faults,
        detail="; ".join(faults) or passed_detail,
        figures={REFUSES: True} if refusal else {},
    )


def _smoke_faults(subject: Subject, example: "SlotReply") -> list[str]:
    """Return which rows were answered with a wrong status; `example` is the example row's reply."""
    missing = subject.ask(dict.fromkeys(subject.row))
    unknown = subject.ask({**subject.row, "titlebout-no-such-column": 1})
    return [
        f"{what} was answered {status}"
        for what, status, is_right in (
            ("the example row", example.status, example.status == 200),
            ("a row of missing values", missing.status, missing.status == 200),
            ("a row with an unknown column", unknown.status, 400 <= unknown.status < 500),
        )
        if not is_right
    ]


def _refusal_of_live_example(subject: Subject) -> str | None:
    """Return that the example row of the live release's contract is not predicted, or None.

    It is None, too, if no live release tells of an example.
    """
    row = example_at(subject.live) if subject.live else None
    if row is None or (reply := subject.ask(row)).status == 200:
        return None
    columns = {"new": subject.row.keys() - row.keys(), "gone": row.keys() - subject.row.keys()}
    named = (
        ", ".join(f"{what}: {', '.join(sorted(names))}" for what, names in columns.items() if names)
        or "the same columns"
    )
    return f"the live release's example row was answered {reply.status} ({named})"


def example_at(url: str) -> dict[str, Any] | None:
    """Return the example row of the contract that a server tells at `/release`, or None."""
    try:
        return {
            column["name"]: column["example"]
            for column in json.loads(get(f"{url}/release"))["contract"]["inputs"]
        }
    except (ValueError, KeyError):
        return None


def refuses_todays_clients(tests: Iterable[dict[str, Any]]) -> bool:
    """Tell whether passed tests found that today's clients are refused: a person let it pass."""
    return any(test["figures"].get(REFUSES, False) for test in tests)


def _latency(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """Require the objective's p99 at its rate, in the best of a few windows.

    Whatever else runs on the machine only adds latency.
    """
    rate = objective.requests_per_second
    windows: list[dict[str, Any]] = []
    while len(windows) < SPEED_WINDOWS and not any(_is_fast(one, objective) for one in windows):
        windows.append(summary(run_load(subject.load(rate), seconds=seconds)))
    best = min(windows, key=lambda window: window["p99_ms"] or math.inf)
    return SlotTest(
        name="latency",
        passed=_is_fast(best, objective),
        detail=f"p99 {best['p99_ms']} ms at {rate:g}/s{_best_of(windows)}, "
        f"objective {objective.p99_ms:g} ms",
        figures=_figures(best),
    )


def _is_fast(window: dict[str, Any], objective: ServiceObjective) -> bool:
    return window["p99_ms"] is not None and window["p99_ms"] <= objective.p99_ms


def _throughput(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """Require the objective's requests per second, in the best of a few windows.

    Each of a few clients sends the next request as soon as the last is answered.
    """
    rates: list[float] = []
    while len(rates) < SPEED_WINDOWS and max(rates, default=0) < objective.requests_per_second:
        rates.append(_measure_throughput(subject, seconds))
    return SlotTest(
        name="throughput",
        passed=max(rates) >= objective.requests_per_second,
        detail=f"{max(rates):g} requests a second{_best_of(rates)}, "
        f"objective {objective.requests_per_second:g}",
        figures={"requests_per_second": max(rates), "clients": THROUGHPUT_CLIENTS},
    )


def _measure_throughput(subject: Subject, seconds: float) -> float:
    """Return the requests per second that were answered with a prediction."""
    began = time.monotonic()
    with ThreadPoolExecutor(THROUGHPUT_CLIENTS) as pool:
        counts = list(
            pool.map(
                lambda _: _send_in_turn(subject, until=began + seconds), range(THROUGHPUT_CLIENTS)
            )
        )
    seconds_taken = time.monotonic() - began  # the last answers come after the time is over
    return round(sum(counts) / seconds_taken, 1)


def _best_of(windows: Sequence[object]) -> str:
    return f" in the best of {len(windows)} windows" if len(windows) > 1 else ""


def _load(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """Require that no request fails at the objective's rate."""
    found = summary(run_load(subject.load(objective.requests_per_second), seconds=seconds))
    return SlotTest(
        name="load",
        passed=found["failed"] == 0,
        detail=f"{found['failed']} of {found['sent']} requests failed",
        figures=_figures(found),
    )


def _stress(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """Require that far beyond the objective it answers or refuses, and is healthy afterwards."""
    rate = STRESS_FACTOR * objective.requests_per_second
    found = summary(run_load(subject.load(rate), seconds=seconds))
    broken = sum(
        count
        for status, count in found["statuses"].items()
        if not (status.startswith("2") or status in REFUSALS)
    )
    is_healthy = _recovers(subject)
    detail = f"{broken} of {found['sent']} requests at {rate:g}/s were neither answered nor refused"
    return SlotTest(
        name="stress",
        passed=broken == 0 and is_healthy,
        detail=detail if is_healthy else f"{detail}; not healthy afterwards",
        figures={**_figures(found), "rate": rate},
    )


class SlotReply(Record):
    """Hold a slot's answer; `status` is 0 if none came, and `late` if the time was over first."""

    status: int
    release: str | None
    body: str = ""
    late: bool = False


def post(url: str, body: Any, *, secret: str = "") -> SlotReply:
    """Ask for one prediction, with the secret that proves that the platform asks."""
    headers = {
        "Content-Type": "application/json",
        REQUEST_ID_HEADER: f"{PROBE_PREFIX}{time.time_ns()}",
    }
    return send(url, json.dumps(body).encode(), headers=headers, secret=secret)


def send(url: str, body: bytes, *, headers: Mapping[str, str], secret: str) -> SlotReply:
    """Send a body as it is; the reply's status is 0 if no answer came, or if it cannot be sent."""
    try:
        answer = send_request(
            url,
            seconds=ANSWER_SECONDS,
            method="POST",
            body=body,
            headers={**headers, **proof(secret)},
        )
        return SlotReply(
            status=answer.status,
            release=answer.headers.get(RELEASE_HEADER),
            body=answer.body.decode() if answer.is_success else "",
        )
    except (OSError, ValueError) as error:  # ValueError: a header that no client library lets pass
        return SlotReply(status=0, release=None, late=isinstance(error, TimeoutError))


def proof(secret: str) -> dict[str, str]:
    """Return the header that proves to a slot that the platform asks."""
    return {PROBE_HEADER: secret} if secret else {}


def get(url: str, *, secret: str = "") -> str:
    """Return the answer's text; empty if none came, or an error."""
    try:
        answer = send_request(url, seconds=ANSWER_SECONDS, headers=proof(secret))
    except OSError:
        return ""
    return answer.body.decode() if answer.is_success else ""


def _send_in_turn(subject: Subject, *, until: float) -> int:
    """Send one request after the other on one connection; return how many were predicted."""
    # load generation: an opened connection is kept, which http_client does not do
    connection = HTTPConnection(urlsplit(subject.url).netloc, timeout=ANSWER_SECONDS)
    body = json.dumps(subject.row)
    headers = {
        "Content-Type": "application/json",
        REQUEST_ID_HEADER: f"{PROBE_PREFIX}throughput",
        **proof(subject.slot.secret),
    }
    answered = 0
    while time.monotonic() < until:
        try:
            connection.request("POST", "/predict", body=body, headers=headers)
            response = connection.getresponse()
            response.read()
            answered += response.status == 200
        except (OSError, HTTPException):
            connection.close()  # it opens itself again with the next request
    connection.close()
    return answered


def _recovers(subject: Subject) -> bool:
    return wait_until(
        lambda: subject.ask(subject.row).status == 200,
        seconds=RECOVERY_SECONDS,
        poll_seconds=RECOVERY_POLL_SECONDS,
    )


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("sent", "failed", "p50_ms", "p99_ms")}
