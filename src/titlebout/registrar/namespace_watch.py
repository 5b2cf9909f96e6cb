"""Watch the live Services and the slots of a namespace, and pass on what is live."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from titlebout.cluster import Api
from titlebout.registrar.registrar import LIVE_KIND, Registrar
from titlebout.registrar.sighting import MALFORMED, Json, sighting_of, slot_of
from titlebout.spec import ClusterError, object_names

# The API server ends a watch after this time. Then everything is listed again, so that a lost
# event does no harm.
LOOK_SECONDS = 30
SILENCE_SECONDS = 40.0  # longer than that and the connection is dead
RETRY_SECONDS = 1.0
CALL_SECONDS = 5.0
LIVE_SELECTOR = f"{object_names.LABEL_LIVE}=true"
SLOT_SELECTOR = f"{object_names.LABEL_MODEL},{object_names.LABEL_SLOT}"


@dataclass(frozen=True)
class ObjectWatch:
    """Describe the objects of one kind: how they are listed, and what is called for each."""

    kind: str
    listing: Any
    selector: str
    on_object: Callable[[Json], None]


class Watcher:
    """Tell the registrar of every version of a live Service, and of every live slot that changes.

    Each kind of object has a thread of its own.
    """

    def __init__(self, api: Api, namespace: str, registrar: Registrar) -> None:
        self._api, self._namespace, self._registrar = api, namespace, registrar

    def start(self) -> None:
        """Start the two threads."""
        for watch in self.watches():
            self._registrar.note_turn(watch.kind)
            threading.Thread(target=self._run_forever, args=(watch,), daemon=True).start()

    def watches(self) -> tuple[ObjectWatch, ObjectWatch]:
        """Return the watch of the live Services and the one of the slots."""
        return (
            ObjectWatch(
                LIVE_KIND, self._api.core.list_namespaced_service, LIVE_SELECTOR, self._on_service
            ),
            ObjectWatch(
                "Deployment",
                self._api.apps.list_namespaced_deployment,
                SLOT_SELECTOR,
                self._on_slot,
            ),
        )

    def run_once(self, watch: ObjectWatch) -> None:
        """List everything, then watch until the watch ends.

        It ends, too, while the API server is away: a restart of this process would not help.
        """
        try:
            with self._api.asking(f"watch {watch.selector} in {self._namespace}"):
                self._list_and_watch(watch)
        except (ClusterError, *MALFORMED) as error:
            self._registrar.report_problem(f"watch of {watch.kind}s", _message_of(error))
            time.sleep(RETRY_SECONDS)
        self._registrar.note_turn(watch.kind)

    def _run_forever(self, watch: ObjectWatch) -> None:
        while True:
            self.run_once(watch)

    def _list_and_watch(self, watch: ObjectWatch) -> None:
        """List everything, then pass every change on. Return when the watch ends.

        It ends for whatever reason, 410 Gone included.
        """
        options = {"label_selector": watch.selector, "_preload_content": False}
        listed = _content(watch.listing(self._namespace, **options, _request_timeout=CALL_SECONDS))
        for found in listed["items"]:
            self._handle(watch, found)
        self._registrar.see_all(
            watch.kind, {found["metadata"]["name"] for found in listed["items"]}
        )
        self._registrar.resolve_problem(f"watch of {watch.kind}s")
        stream = watch.listing(
            self._namespace,
            **options,
            resource_version=listed["metadata"]["resourceVersion"],
            watch=True,
            timeout_seconds=LOOK_SECONDS,
            _request_timeout=SILENCE_SECONDS,
        )
        try:
            for line in stream:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] == "DELETED":
                    self._registrar.see_gone(watch.kind, event["object"]["metadata"]["name"])
                else:
                    self._handle(watch, event["object"])
        finally:
            stream.release_conn()

    def _handle(self, watch: ObjectWatch, resource: Json) -> None:
        """Pass one object on. A problem with it is reported, and keeps no other from being seen."""
        subject = f"{watch.kind} {resource['metadata']['name']}"
        try:
            watch.on_object(resource)
        except MALFORMED as error:
            self._registrar.report_problem(
                subject, f"cannot be read, so the ledger does not follow it: {_message_of(error)}"
            )
        else:
            self._registrar.resolve_problem(subject)
        self._registrar.note_turn(watch.kind)

    def _on_service(self, service: Json) -> None:
        deployment = self._read(
            self._api.apps.read_namespaced_deployment,
            f"{service['metadata']['name']}-{slot_of(service)}",
        )
        self._report(service, deployment)

    def _on_slot(self, deployment: Json) -> None:
        """Report the slot if it is live.

        The Service is read before and after the slot. If it was moved in between, both do not fit.
        """
        labels = deployment["metadata"]["labels"]
        before = self._read(
            self._api.core.read_namespaced_service, labels[object_names.LABEL_MODEL]
        )
        if before is None or slot_of(before) != labels[object_names.LABEL_SLOT]:
            return
        found = self._read(
            self._api.apps.read_namespaced_deployment, deployment["metadata"]["name"]
        )
        after = self._read(self._api.core.read_namespaced_service, labels[object_names.LABEL_MODEL])
        if after and after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]:
            self._report(after, found)

    def _report(self, service: Json, deployment: Json | None) -> None:
        is_live = (service["metadata"].get("labels") or {}).get(object_names.LABEL_LIVE) == "true"
        if is_live and deployment and (sighting := sighting_of(service, deployment)):
            self._registrar.see(sighting)

    def _read(self, read: Any, name: str) -> Json | None:
        found = self._api.find(
            lambda *names, **options: _content(read(*names, _preload_content=False, **options)),
            name,
            self._namespace,
        )
        return None if found is None else dict(found)


def _content(response: Any) -> Json:
    return dict(json.loads(response.data))


def _message_of(error: Exception) -> str:
    """Return the error on one line.

    It has its type in it unless it is ours: a KeyError says no more than the key.
    """
    return " ".join((str(error) if isinstance(error, ClusterError) else repr(error)).split())
