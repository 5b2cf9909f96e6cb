"""Ledger first, then alias; whatever is away is asked again, in the order in which the changes were seen.

The aliases have a thread of their own: no ledger waits for an MLflow that does not answer.
"""

import http.client
import queue
import threading
import time
from collections.abc import Callable, Collection
from functools import cached_property, partial

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError

from titlebout.ledger import move_alias, require_whole
from titlebout.ledger.database import Ledger
from titlebout.registrar.rest_aliases import RestAliases
from titlebout.registrar.settings import RegistrarSettings
from titlebout.registrar.sighting import Sighting, is_older
from titlebout.registrar.write_entries import change_of, last_move, write
from titlebout.registry import Connection
from titlebout.spec import Busy, IntegrityError, Progress, Release, TitleboutError
from titlebout.storage import Storage, layout

LIVE_KIND = "Service"
ANSWER_SECONDS = 5.0  # what MLflow and the store may take to answer, being neighbours; who is slower is away, and asked again
RETRY_SECONDS = (
    1.0  # within the five seconds that a change may take, and no load on what is just starting
)
AWAY = (
    TitleboutError,
    SQLAlchemyError,
    BotoCoreError,
    ClientError,
    OSError,
    http.client.HTTPException,
)


class Registrar:
    """`step` is called from one thread, `follow` from one; what tells of the cluster and of troubles, from any."""

    def __init__(self, settings: RegistrarSettings, *, say: Progress) -> None:
        self.settings, self.problems, self._say = settings, dict[str, str](), say
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting: list[Sighting] = []
        self._seen: dict[str, Sighting] = {}
        self._is_complete = False
        self._written: dict[str, Sighting] = {}  # by model, what ledger and alias came to last
        self._followed: dict[str, Sighting] = {}
        self._wrote = threading.Event()
        self.turns: dict[str, float] = {}

    @cached_property
    def ledger(self) -> Ledger:
        """Raises an error of AWAY while the database is away."""
        return Ledger(self.settings.ledger)

    @cached_property
    def storage(self) -> Storage:
        return Storage(self.settings.storage, answer_seconds=ANSWER_SECONDS)

    @cached_property
    def aliases(self) -> RestAliases:
        s = self.settings
        way = Connection(
            environment=s.environment,
            address=s.mlflow,
            user=s.user,
            password=s.password,
            answer_seconds=ANSWER_SECONDS,
        )
        return RestAliases(way)

    def see(self, sighting: Sighting) -> None:
        self._queue.put(partial(self._accept, sighting))

    def see_all(self, kind: str, names: Collection[str]) -> None:
        """A full look found these objects of the kind, each of which was seen before, and no others."""
        self._queue.put(partial(self._keep, kind, names))

    def see_gone(self, kind: str, name: str) -> None:
        """The object, should it be a live Service, is none any more."""
        self._queue.put(partial(self._drop, kind, name))

    def turned(self, thread: str) -> None:
        """The thread goes round; once it has said so, silence means that it is stuck or dead."""
        self.turns[thread] = time.monotonic()

    def complain(self, subject: str, problem: str) -> None:
        if self.problems.get(subject) != problem:
            self._say(f"{subject}: {problem}")
        self.problems[subject] = problem

    def mended(self, subject: str) -> None:
        if self.problems.pop(subject, None):
            self._say(f"{subject}: mended")

    def run(self) -> None:
        while True:
            self.step(wait_seconds=RETRY_SECONDS)

    def run_aliases(self) -> None:
        while True:
            self.follow(wait_seconds=RETRY_SECONDS)

    def step(self, *, wait_seconds: float) -> None:
        """Take what was seen meanwhile, then write as much of it as can be written now."""
        self.turned("ledgers")
        self._take(wait_seconds)
        blocked: set[str] = set()
        for sighting in list(self._waiting):
            if sighting.model in blocked:
                continue
            if self._try(f"ledger of {sighting.model}", partial(self._write, sighting)):
                self._waiting.remove(sighting)
            else:
                blocked.add(sighting.model)
            self.turned("ledgers")

    def follow(self, *, wait_seconds: float) -> None:
        """As soon as a ledger was written, move the alias of every model whose alias is behind it."""
        self.turned("aliases")
        self._wrote.wait(wait_seconds)
        self._wrote.clear()
        for model, sighting in list(self._written.items()):
            if self._followed.get(model) is not sighting and self._try(
                f"alias of {model}", partial(self._move_alias, model)
            ):
                self._followed[model] = sighting
            self.turned("aliases")

    def is_behind(self, model: str) -> bool:
        is_waiting = any(sighting.model == model for sighting in self._waiting)
        return is_waiting or self._followed.get(model) is not self._written.get(model)

    @property
    def seen(self) -> dict[str, Sighting]:
        """What is live, by model, as seen last; raises Busy until everything was looked at once."""
        if not self._is_complete:
            raise Busy(
                f"registrar of {self.settings.namespace}",
                expected="a full look at the live Services",
                found=self.problems.get("watch of Services", "one that has only begun"),
                next_step="ask again in a few seconds",
            )
        return dict(self._seen)

    def release_record(self, release: str) -> Release:
        """Raises IntegrityError if the record is gone or altered."""
        if not self.storage.exists(*layout.release(release)):
            raise IntegrityError(
                f"release {release[:12]}",
                expected="its record in storage",
                found="none",
                next_step="restore it from a backup: the alias follows by itself then",
            )
        return self.storage.read_record(Release, *layout.release(release), digest=release)

    def _take(self, wait_seconds: float) -> None:
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

    def _keep(self, kind: str, names: Collection[str]) -> None:
        troubled = {
            subject.removeprefix(f"{kind} ")
            for subject in list(self.problems)
            if subject.startswith(f"{kind} ")
        }
        known = troubled | self._seen.keys() if kind == LIVE_KIND else troubled
        for name in known.difference(names):
            self._drop(kind, name)
        self._is_complete = self._is_complete or kind == LIVE_KIND

    def _drop(self, kind: str, name: str) -> None:
        """What was live until then is written all the same."""
        self.mended(f"{kind} {name}")
        if kind == LIVE_KIND:
            self._seen.pop(name, None)

    def _write(self, sighting: Sighting) -> None:
        write(sighting, self.ledger, self.storage)
        self._written[sighting.model] = sighting
        self._wrote.set()

    def _move_alias(self, model: str) -> None:
        chain = self.ledger.chain(model)
        require_whole(model, chain)
        live = last_move(chain)
        if live:
            move_alias(self.aliases, model, change_of(live), self.release_record)

    def _try(self, subject: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except AWAY as error:
            self.complain(subject, " ".join(str(error).split()))
            return False
        self.mended(subject)
        return True
