"""Send open-loop HTTP load: requests leave at a constant rate, whether earlier ones were answered.

So a server's delay is not hidden by requests that wait. Every other request comes from a client
that keeps one connection open; the rest open a connection each. Nothing is sent twice.
"""

import asyncio
import itertools
import math
import multiprocessing
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from titlebout.spec import NotAllowed

Kind = Literal["kept open", "fresh"]
KINDS: tuple[Kind, Kind] = ("kept open", "fresh")
RELEASE_HEADER = "x-titlebout-release"
REQUEST_ID_HEADER = "x-request-id"
TIMEOUT_SECONDS = 5.0  # a prediction takes milliseconds; a slower one counts as failed
KEPT_OPEN_CLIENTS = 20
MOST_REQUESTS = 200_000  # a run remembers every answer: half an hour at 100 a second
# Requests on the way at once. With more, the server is lost, and they would fill this machine.
MOST_WAITING = 1_000
LONGEST_IDLE_SECONDS = 1e6  # kept-open connections are closed by the server only

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """Hold when a request was due and when it was answered (Unix times), and with what.

    `status` is None if no answer came.
    """

    due: float
    at: float
    kind: Kind
    status: int | None
    release: str | None

    @property
    def ok(self) -> bool:
        """Tell whether the status is one of 200 to 299."""
        return self.status is not None and 200 <= self.status < 300


@dataclass
class Load:
    """Describe what is sent, at `rate` requests per second, and collect the answers.

    The bodies are sent in turn, each with these headers and a request id. Raise NotAllowed for an
    address outside of this machine and the cluster.
    """

    url: str
    bodies: list[Any]
    rate: float
    request_id_prefix: str
    headers: dict[str, str] = field(default_factory=dict)
    answers: list[TimedAnswer] = field(default_factory=list)

    def __post_init__(self) -> None:
        host = urlsplit(self.url).hostname or ""
        if host != "127.0.0.1" and not host.endswith(".svc"):
            raise NotAllowed(
                self.url,
                expected="127.0.0.1 or a Service of the cluster",
                found="another machine",
                next_step="load only what is yours",
            )

    async def send(self, seconds: float, stop: threading.Event) -> None:
        """Send until the time is over or `stop` is set, and wait for the last answer."""
        kept = [_session(kept_open=True) for _ in range(KEPT_OPEN_CLIENTS)]
        fresh = _session(kept_open=False)
        senders = itertools.cycle(
            [pair for session in kept for pair in ((session, KINDS[0]), (fresh, KINDS[1]))]
        )
        waiting: set[asyncio.Task[None]] = set()
        start = time.time()
        for number in range(min(int(self.rate * seconds), MOST_REQUESTS)):
            due = start + number / self.rate
            await asyncio.sleep(max(0.0, due - time.time()))
            if stop.is_set():
                break
            session, kind = next(senders)
            if len(waiting) >= MOST_WAITING:
                self.answers.append(TimedAnswer(due, time.time(), kind, None, None))
                continue
            task = asyncio.create_task(self._one(session, kind, due=due, number=number))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
        for session in (*kept, fresh):
            await session.close()

    async def _one(
        self, session: aiohttp.ClientSession, kind: Kind, *, due: float, number: int
    ) -> None:
        status, release = None, None
        body = self.bodies[number % len(self.bodies)]
        try:
            headers = {REQUEST_ID_HEADER: f"{self.request_id_prefix}{number}", **self.headers}
            async with session.post(self.url, json=body, headers=headers) as response:
                await response.read()
                status, release = response.status, response.headers.get(RELEASE_HEADER)
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = None  # no answer: counted as failed
        self.answers.append(TimedAnswer(due, time.time(), kind, status, release))


class BackgroundLoad:
    """Send while a block runs: `with BackgroundLoad(load, seconds=60): ...`.

    Afterwards `load.answers` holds every answer. It sends from a process of its own: a sender in
    this interpreter would wait for it, and report the wait as latency.
    """

    def __init__(self, load: Load, *, seconds: float) -> None:
        self._load, (self._ours, theirs) = load, _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=_send_until_told, args=(load, seconds, theirs), daemon=True
        )

    def __enter__(self) -> "BackgroundLoad":
        self._process.start()
        self._ours.recv()  # it has imported what it needs, and begins to send
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send("stop")
        self._load.answers.extend(self._ours.recv())
        self._process.join()


def _send_until_told(load: Load, seconds: float, ours: Connection) -> None:
    stop = threading.Event()
    ours.send("ready")
    threading.Thread(target=_wait, args=(ours, stop), daemon=True).start()
    ours.send(run_load(load, seconds=seconds, stop=stop))


def _wait(ours: Connection, stop: threading.Event) -> None:
    ours.recv()
    stop.set()


def run_load(
    load: Load, *, seconds: float, stop: threading.Event | None = None
) -> list[TimedAnswer]:
    """Send for so many seconds, or until `stop` is set; return the answers as they came."""
    asyncio.run(load.send(seconds, stop or threading.Event()))
    return load.answers


def summary(answers: list[TimedAnswer]) -> dict[str, Any]:
    """Return the requests sent, failed and by status, and latency percentiles in ms.

    `releases` has for each release and kind of client its first and last answer (Unix times).
    """
    good = [answer for answer in answers if answer.ok]
    return {
        "sent": len(answers),
        "failed": len(answers) - len(good),
        "statuses": {
            str(status or "no answer"): count
            for status, count in Counter(answer.status for answer in answers).items()
        },
        "p50_ms": percentile_ms(good, 0.5),
        "p99_ms": percentile_ms(good, 0.99),
        "releases": {
            release: _spans(good, release)
            for release in {answer.release for answer in good if answer.release}
        },
    }


def percentile_ms(answers: list[TimedAnswer], share: float) -> float | None:
    """Return the nearest-rank percentile of the latency, in ms, since each request was due."""
    ordered = sorted(answer.at - answer.due for answer in answers)
    return round(1000 * ordered[math.ceil(share * len(ordered)) - 1], 2) if ordered else None


def seconds_to_last_answer(
    answers: list[TimedAnswer], *, since: float, release: str
) -> dict[Kind, float]:
    """Return the seconds from a moment (Unix time) to the release's last answer, per client kind.

    It is 0 if the release gave no answer after that moment.
    """
    late = [
        answer
        for answer in answers
        if answer.ok and answer.release == release and answer.at > since
    ]
    return {
        kind: max((answer.at - since for answer in late if answer.kind == kind), default=0.0)
        for kind in KINDS
    }


def _spans(answers: list[TimedAnswer], release: str) -> dict[Kind, dict[str, float]]:
    """Return the release's first and last answer, for each kind of client that it answered."""
    times = {
        kind: [answer.at for answer in answers if answer.release == release and answer.kind == kind]
        for kind in KINDS
    }
    return {
        kind: {"first": min(moments), "last": max(moments)}
        for kind, moments in times.items()
        if moments
    }


def _session(*, kept_open: bool) -> aiohttp.ClientSession:
    reuse: dict[str, Any] = (
        {"limit": 1, "keepalive_timeout": LONGEST_IDLE_SECONDS}
        if kept_open
        else {"limit": 0, "force_close": True}
    )
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(**reuse),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )
