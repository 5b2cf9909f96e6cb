"""Write what is seen to the ledger first, then move the alias; retry while a server is away.

Changes are written in the order in which they were seen. The aliases have a thread of their own:
no ledger waits for an MLflow that does not answer.
"""

import http.client
import logging
import queue
import threading
import time
from collections.abc import Callable, Collection
from functools import cached_property, partial
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError

from titlebout.ledger import move_alias
from titlebout.ledger.database import Ledger
from titlebout.registrar.rest_aliases import RestAliases
from titlebout.registrar.settings import RegistrarSettings
from titlebout.registrar.sighting import Sighting, is_older
from titlebout.registrar.write_entries import write
from titlebout.registry import Connection
from titlebout.rollout import Change
from titlebout.spec import Busy, IntegrityError, Release, TitleboutError
from titlebout.storage import Storage, layout

log = logging.getLogger(__name__)

LIVE_KIND = "Service"
# MLflow and the store are in the same namespace. If one is slower, it is away, and is asked again.
ANSWER_SECONDS = 5.0
# A change may take five seconds. A retry per second is no load on a server that just starts.
RETRY_SECONDS = 1.0
AWAY = (
    TitleboutError,
    SQLAlchemyError,
    BotoCoreError,
    ClientError,
    OSError,
    http.client.HTTPException,
)


class WrittenSighting(NamedTuple):
    """Hold the last sighting of a model that is in the ledger, and what the ledger says is live."""

    sighting: Sighting
    live: Change | None


class Registrar:
    """Bring ledger and aliases of a namespace after what is live there.

    Call `step` from one thread only, and `follow` from one. Other methods take calls from any.
    """

    def __init__(self, settings: RegistrarSettings) -> None:
        """Start with nothing seen."""
        self.settings, self.problems = settings, dict[str, str]()
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting: list[Sighting] = []
        self._seen: dict[str, Sighting] = {}
        self._is_complete = False
        self._written: dict[str, WrittenSighting] = {}  # by model, what is in the ledger
        self._followed: dict[str, WrittenSighting] = {}  # by model, what the alias points to
        self._has_written = threading.Event()
        self.turns: dict[str, float] = {}

    @cached_property
    def ledger(self) -> Ledger:
        """Return the namespace's ledger; raise an error of AWAY while the database is away."""
        return Ledger(self.settings.ledger)

    @cached_property
    def storage(self) -> Storage:
        """Return the environment's storage."""
        return Storage(self.settings.storage, answer_seconds=ANSWER_SECONDS)

    @cached_property
    def aliases(self) -> RestAliases:
        """Return the registry's aliases."""
        connection = Connection(
            environment=self.settings.environment,
            address=self.settings.mlflow,
            user=self.settings.user,
            password=self.settings.password,
            answer_seconds=ANSWER_SECONDS,
        )
        return RestAliases(connection)

    def see(self, sighting: Sighting) -> None:
        """Queue what is live, as seen once."""
        self._queue.put(partial(self._accept, sighting))

    def see_all(self, kind: str, names: Collection[str]) -> None:
        """Queue that a full look found these objects of the kind, and no others."""
        self._queue.put(partial(self._drop_all_but, kind, names))

    def see_gone(self, kind: str, name: str) -> None:
        """Queue that the object is gone, or is no live Service any more."""
        self._queue.put(partial(self._drop, kind, name))

    def note_turn(self, thread: str) -> None:
        """Note that the thread has completed a turn; one that stops noting is stuck or dead."""
        self.turns[thread] = time.monotonic()

    def report_problem(self, subject: str, problem: str) -> None:
        """Keep the problem until it is resolved, and log it if it is new."""
        if self.problems.get(subject) != problem:
            log.warning("%s: %s", subject, problem)
        self.problems[subject] = problem

    def resolve_problem(self, subject: str) -> None:
        """Forget the subject's problem, if it has one, and log that it is resolved."""
        if self.problems.pop(subject, None):
            log.info("%s: works again", subject)

    def run(self) -> None:
        """Write ledgers until the process ends."""
        while True:
            self.step(wait_seconds=RETRY_SECONDS)

    def run_aliases(self) -> None:
        """Move aliases until the process ends."""
        while True:
            self.follow(wait_seconds=RETRY_SECONDS)

    def step(self, *, wait_seconds: float) -> None:
        """Take what was seen since the last call, then write as much as can be written now."""
        self.note_turn("ledgers")
        self._take_queued(wait_seconds)
        blocked: set[str] = set()
        for sighting in list(self._waiting):
            if sighting.model in blocked:
                continue
            if self._attempt(f"ledger of {sighting.model}", partial(self._write, sighting)):
                self._waiting.remove(sighting)
            else:
                blocked.add(sighting.model)
            self.note_turn("ledgers")

    def follow(self, *, wait_seconds: float) -> None:
        """Wait for a ledger to be written, then move every alias that is behind its ledger."""
        self.note_turn("aliases")
        self._has_written.wait(wait_seconds)
        self._has_written.clear()
        for model, written in list(self._written.items()):
            if self._followed.get(model) is not written and self._attempt(
                f"alias of {model}", partial(self._move_alias, model, written.live)
            ):
                self._followed[model] = written
            self.note_turn("aliases")

    def is_behind(self, model: str) -> bool:
        """Tell whether the model's ledger or alias is behind what was seen."""
        is_waiting = any(sighting.model == model for sighting in self._waiting)
        return is_waiting or self._followed.get(model) is not self._written.get(model)

    @property
    def seen(self) -> dict[str, Sighting]:
        """Return what is live, by model. Raise Busy until everything was looked at once."""
        if not self._is_complete:
            raise Busy(
                f"registrar of {self.settings.namespace}",
                expected="a full look at the live Services",
                found=self.problems.get("watch of Services", "the first look is not complete"),
                next_step="ask again in a few seconds",
            )
        return dict(self._seen)

    def release_record(self, release: str) -> Release:
        """Return the release's record; raise IntegrityError if it is gone or was altered."""
        if not self.storage.exists(*layout.release(release)):
            raise IntegrityError(
                f"release {release[:12]}",
                expected="its record in storage",
                found="none",
                next_step="restore it from a backup; then the alias follows by itself",
            )
        return self.storage.read_record(Release, *layout.release(release), digest=release)

    def _take_queued(self, wait_seconds: float) -> None:
        try:
            self._queue.get(timeout=wait_seconds)()
            while True:
                self._queue.get_nowait()()
        except queue.Empty:
            return

    def _accept(self, sighting: Sighting) -> None:
        before = self._seen.get(sighting.model)
        if before and (is_older(sighting, before) or sighting.meaning == before.meaning):
            return
        self._seen[sighting.model] = sighting
        self._waiting.append(sighting)

    def _drop_all_but(self, kind: str, names: Collection[str]) -> None:
        with_problems = {
            subject.removeprefix(f"{kind} ")
            for subject in list(self.problems)
            if subject.startswith(f"{kind} ")
        }
        known = with_problems | self._seen.keys() if kind == LIVE_KIND else with_problems
        for name in known.difference(names):
            self._drop(kind, name)
        self._is_complete = self._is_complete or kind == LIVE_KIND

    def _drop(self, kind: str, name: str) -> None:
        """Forget the object. What was live until then is written all the same."""
        self.resolve_problem(f"{kind} {name}")
        if kind == LIVE_KIND:
            self._seen.pop(name, None)

    def _write(self, sighting: Sighting) -> None:
        live = write(sighting, self.ledger, self.storage)
        self._written[sighting.model] = WrittenSighting(sighting, live)
        self._has_written.set()

    def _move_alias(self, model: str, live: Change | None) -> None:
        if live:
            move_alias(self.aliases, model, live, self.release_record)

    def _attempt(self, subject: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except AWAY as error:
            self.report_problem(subject, " ".join(str(error).split()))
            return False
        self.resolve_problem(subject)
        return True
