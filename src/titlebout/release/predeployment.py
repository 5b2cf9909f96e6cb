"""The tests that a release passes in its slot before any traffic goes there: smoke, latency, throughput, load, stress."""

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
THROUGHPUT_CLIENTS = (
    8  # enough to keep a server of two workers busy, few enough for this machine's sender
)
REFUSALS = frozenset({"429", "503"})  # an overloaded server may say so; it may not break
REFUSES = "refuses_todays_clients"
NEW_CONTRACT = "Release the new contract under another model name and let the clients move, or with --override REASON if they change at this moment"
CALM_SECONDS = 5.0  # a server that was overloaded must be healthy again by then
CALM_POLL_SECONDS = 0.1


class SlotTest(Record):
    name: str
    passed: bool
    detail: str
    figures: dict[str, Any]


class Subject(Record):
    """The server under test, and the row that it is asked about.

    `live` is the address of what clients are answered by today, if there is any; with `may_refuse` a person lets it refuse their rows.
    """

    slot: SlotAddress
    release: str
    row: dict[str, Any]
    live: str | None
    may_refuse: bool

    @property
    def url(self) -> str:
        return self.slot.url

    def load(self, rate: float) -> Load:
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
    """Every test, each `seconds` long; raises RolloutError at the first that fails, for the rest would say nothing more."""
    results = []
    for run in (_smoke, _latency, _throughput, _load, _stress):
        result = run(subject, objective, seconds)
        progress(f"test {result.name}: {'passed' if result.passed else 'FAILED'}, {result.detail}")
        if not result.passed:
            raise RolloutError(
                f"pre-deployment test {result.name} of release {subject.release[:12]}",
                expected="a slot that is fit for the traffic",
                found=result.detail,
                next_step="mend the model or its service objective in model.yaml; the live release was not touched",
            )
        results.append(result)
    return tuple(results)


def _smoke(subject: Subject, _objective: ServiceObjective, _seconds: float) -> SlotTest:
    """Rows as the contract has them, as the live release's has them, and of missing values are predicted; an unknown column is refused."""
    unknown_column = {**subject.row, "titlebout-no-such-column": 1}
    whole = subject.ask(subject.row)
    missing = subject.ask(dict.fromkeys(subject.row))
    wrong = subject.ask(unknown_column)
    faults = [
        f"{what} was answered {status}"
        for what, status, fine in (
            ("the example row", whole.status, whole.status == 200),
            ("a row of missing values", missing.status, missing.status == 200),
            ("a row with an unknown column", wrong.status, 400 <= wrong.status < 500),
        )
        if not fine
    ]
    if subject.release not in get(f"{subject.url}/release"):
        faults.append("GET /release names another release")
    if whole.release != subject.release:
        faults.append(f"the answer is from release {(whole.release or 'unnamed')[:12]}")
    refusal = _todays_clients(subject)
    if refusal and not subject.may_refuse:
        faults.append(f"{refusal}: clients of today would be refused. {NEW_CONTRACT}")
    fine = (
        f"{refusal}, which a person overrides" if refusal else "predicts, and refuses what is wrong"
    )
    return SlotTest(
        name="smoke",
        passed=not faults,
        detail="; ".join(faults) or fine,
        figures={REFUSES: True} if refusal else {},
    )


def _todays_clients(subject: Subject) -> str | None:
    """That the example row of the live release's contract is not predicted, in words; None if it is, or no live release tells of one."""
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
    """Of the contract that a server tells at `/release`."""
    try:
        return {
            column["name"]: column["example"]
            for column in json.loads(get(f"{url}/release"))["contract"]["inputs"]
        }
    except (ValueError, KeyError):
        return None


def refuses_todays_clients(tests: Iterable[dict[str, Any]]) -> bool:
    """Whether tests that were passed found so: a person let it pass."""
    return any(test["figures"].get(REFUSES, False) for test in tests)


def _latency(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """p99 at the objective's rate, in the best of a few windows: what else runs on the machine only ever adds latency."""
    found: list[dict[str, Any]] = []
    while len(found) < SPEED_WINDOWS and not any(_keeps(window, objective) for window in found):
        found.append(
            summary(run_load(subject.load(objective.requests_per_second), seconds=seconds))
        )
    best = min(found, key=lambda window: window["p99_ms"] or math.inf)
    return SlotTest(
        name="latency",
        passed=_keeps(best, objective),
        detail=f"p99 {best['p99_ms']} ms at {objective.requests_per_second:g}/s{_best_of(found)}, objective {objective.p99_ms:g} ms",
        figures=_figures(best),
    )


def _keeps(window: dict[str, Any], objective: ServiceObjective) -> bool:
    return window["p99_ms"] is not None and window["p99_ms"] <= objective.p99_ms


def _throughput(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """Requests per second that a few clients reach who each send the next as soon as the last is answered; in the best window, too."""
    found: list[float] = []
    while len(found) < SPEED_WINDOWS and max(found, default=0) < objective.requests_per_second:
        found.append(_reached(subject, seconds))
    return SlotTest(
        name="throughput",
        passed=max(found) >= objective.requests_per_second,
        detail=f"{max(found):g} requests a second{_best_of(found)}, objective {objective.requests_per_second:g}",
        figures={"requests_per_second": max(found), "clients": THROUGHPUT_CLIENTS},
    )


def _reached(subject: Subject, seconds: float) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(THROUGHPUT_CLIENTS) as pool:
        counts = list(
            pool.map(lambda _: _hammer(subject, until=began + seconds), range(THROUGHPUT_CLIENTS))
        )
    return round(
        sum(counts) / (time.monotonic() - began), 1
    )  # the last answers come after the time is over


def _best_of(windows: Sequence[object]) -> str:
    return f" in the best of {len(windows)} windows" if len(windows) > 1 else ""


def _load(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """The objective's rate, held: not one request fails."""
    found = summary(run_load(subject.load(objective.requests_per_second), seconds=seconds))
    return SlotTest(
        name="load",
        passed=found["failed"] == 0,
        detail=f"{found['failed']} of {found['sent']} requests failed",
        figures=_figures(found),
    )


def _stress(subject: Subject, objective: ServiceObjective, seconds: float) -> SlotTest:
    """Far beyond the objective it answers or refuses, and is healthy afterwards."""
    rate = STRESS_FACTOR * objective.requests_per_second
    found = summary(run_load(subject.load(rate), seconds=seconds))
    broken = sum(
        count
        for status, count in found["statuses"].items()
        if not (status.startswith("2") or status in REFUSALS)
    )
    healthy = _recovers(subject)
    detail = f"{broken} of {found['sent']} requests at {rate:g}/s were neither answered nor refused"
    return SlotTest(
        name="stress",
        passed=broken == 0 and healthy,
        detail=detail if healthy else f"{detail}; not healthy afterwards",
        figures={**_figures(found), "rate": rate},
    )


class SlotReply(Record):
    """`status` is 0 where no answer came; `late`: the server may be at work on it."""

    status: int
    release: str | None
    body: str = ""
    late: bool = False


def post(url: str, body: Any, *, secret: str = "") -> SlotReply:
    """One prediction asked for by the platform itself, which the server's secret proves; status 0 if no answer came."""
    headers = {
        "Content-Type": "application/json",
        REQUEST_ID_HEADER: f"{PROBE_PREFIX}{time.time_ns()}",
    }
    return send(url, json.dumps(body).encode(), headers=headers, secret=secret)


def send(url: str, body: bytes, *, headers: Mapping[str, str], secret: str) -> SlotReply:
    """A body as it is, sent by the platform itself; status 0 if no answer came, or it cannot be sent so."""
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
    """The answer's text; empty if none came."""
    try:
        answer = send_request(url, seconds=ANSWER_SECONDS, headers=proof(secret))
    except OSError:
        return ""
    return answer.body.decode() if answer.is_success else ""


def _hammer(subject: Subject, *, until: float) -> int:
    """Send one after the other on one connection; how many were answered with a prediction."""
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
        seconds=CALM_SECONDS,
        poll_seconds=CALM_POLL_SECONDS,
    )


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("sent", "failed", "p50_ms", "p99_ms")}
