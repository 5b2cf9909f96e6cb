"""Everything that happens to the live Services and the slots of a namespace, as a stream of sightings."""

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

LOOK_SECONDS = 30  # the API server ends a watch after so long, and everything is listed again: what a watch lost is found
SILENCE_SECONDS = 40.0  # longer than that and the connection is dead
RETRY_SECONDS = 1.0
CALL_SECONDS = 5.0
LIVE_SELECTOR, SLOT_SELECTOR = (
    f"{object_names.LABEL_LIVE}=true",
    f"{object_names.LABEL_MODEL},{object_names.LABEL_SLOT}",
)


@dataclass(frozen=True)
class ObjectWatch:
    """Objects of one kind: how they are listed, and who looks at each."""

    kind: str
    listing: Any
    selector: str
    seen: Callable[[Json], None]


class Watcher:
    """Two threads tell the registrar of every version of a live Service, and of what is live when a slot changed."""

    def __init__(self, api: Api, namespace: str, registrar: Registrar) -> None:
        self._api, self._namespace, self._registrar = api, namespace, registrar

    def start(self) -> None:
        for watch in self.watches():
            self._registrar.turned(watch.kind)
            threading.Thread(target=self._forever, args=(watch,), daemon=True).start()

    def watches(self) -> tuple[ObjectWatch, ObjectWatch]:
        return (
            ObjectWatch(
                LIVE_KIND, self._api.core.list_namespaced_service, LIVE_SELECTOR, self._service
            ),
            ObjectWatch(
                "Deployment", self._api.apps.list_namespaced_deployment, SLOT_SELECTOR, self._slot
            ),
        )

    def turn(self, watch: ObjectWatch) -> None:
        """From one full look to the next. An API server that is away ends it, too: to be started anew would not bring it back."""
        try:
            with self._api.asking(f"watch {watch.selector} in {self._namespace}"):
                self._look(watch)
        except (ClusterError, *MALFORMED) as error:
            self._registrar.complain(f"watch of {watch.kind}s", _words(error))
            time.sleep(RETRY_SECONDS)
        self._registrar.turned(watch.kind)

    def _forever(self, watch: ObjectWatch) -> None:
        while True:
            self.turn(watch)

    def _look(self, watch: ObjectWatch) -> None:
        """A full look, then every change; returns when the watch ends, for whatever reason (410 Gone included)."""
        options = {"label_selector": watch.selector, "_preload_content": False}
        look = _content(watch.listing(self._namespace, **options, _request_timeout=CALL_SECONDS))
        for found in look["items"]:
            self._one(watch, found)
        self._registrar.see_all(watch.kind, {found["metadata"]["name"] for found in look["items"]})
        self._registrar.resolve(f"watch of {watch.kind}s")
        stream = watch.listing(
            self._namespace,
            **options,
            resource_version=look["metadata"]["resourceVersion"],
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
                    self._one(watch, event["object"])
        finally:
            stream.release_conn()

    def _one(self, watch: ObjectWatch, found: Json) -> None:
        """One object's trouble is said, and keeps no other from being seen."""
        subject = f"{watch.kind} {found['metadata']['name']}"
        try:
            watch.seen(found)
        except MALFORMED as error:
            self._registrar.complain(
                subject, f"cannot be read, so the ledger does not follow it: {_words(error)}"
            )
        else:
            self._registrar.resolve(subject)
        self._registrar.turned(watch.kind)

    def _service(self, service: Json) -> None:
        deployment = self._read(
            self._api.apps.read_namespaced_deployment,
            f"{service['metadata']['name']}-{slot_of(service)}",
        )
        self._say(service, deployment)

    def _slot(self, deployment: Json) -> None:
        """The Service is read before and after the slot: were it moved in between, the two would not belong together."""
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
            self._say(after, found)

    def _say(self, service: Json, deployment: Json | None) -> None:
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


def _words(error: Exception) -> str:
    """A KeyError says no more than the key."""
    return " ".join((str(error) if isinstance(error, ClusterError) else repr(error)).split())
