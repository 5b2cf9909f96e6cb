"""Everything that happens to the live Services and the slots of a namespace, as a stream of sightings."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from titlebout.cluster import Api
from titlebout.registrar.sighting import Json, Sighting, sighting_of, slot_of
from titlebout.spec import ClusterError, kubernetes

LOOK_SECONDS = 30  # the API server ends a watch after so long, and everything is listed again: what a watch lost is found
SILENCE_SECONDS = 40.0  # longer than that and the connection is dead
RETRY_SECONDS = 1.0
CALL_SECONDS = 5.0
LIVE_SELECTOR, SLOT_SELECTOR = f"{kubernetes.LABEL_LIVE}=true", f"{kubernetes.LABEL_MODEL},{kubernetes.LABEL_SLOT}"
See = Callable[[Sighting], None]


class Watcher:
    """`see` is called from two threads: for every version of a live Service, and for what is live when a slot changed."""

    def __init__(self, api: Api, namespace: str, see: See, *, complain: Callable[[str], None]) -> None:
        self._api, self._namespace, self._see, self._complain = api, namespace, see, complain

    def start(self) -> None:
        services = (self._api.core.list_namespaced_service, LIVE_SELECTOR, self._service)
        slots = (self._api.apps.list_namespaced_deployment, SLOT_SELECTOR, self._slot)
        for listing in (services, slots):
            threading.Thread(target=self._forever, args=listing, daemon=True).start()

    def _forever(self, listing: Any, selector: str, seen: Callable[[Json], None]) -> None:
        while True:
            try:
                with self._api.asking(f"watch {selector} in {self._namespace}"):
                    for found in self._all(listing, selector):
                        seen(found)
            except ClusterError as error:
                self._complain(str(error))
                time.sleep(RETRY_SECONDS)

    def _all(self, listing: Any, selector: str) -> Iterator[Json]:
        """A full look, then every change; returns when the watch ends, for whatever reason (410 Gone included)."""
        look = _content(listing(self._namespace, label_selector=selector, _preload_content=False, _request_timeout=CALL_SECONDS))
        yield from look["items"]
        stream = listing(
            self._namespace,
            label_selector=selector,
            resource_version=look["metadata"]["resourceVersion"],
            watch=True,
            timeout_seconds=LOOK_SECONDS,
            _preload_content=False,
            _request_timeout=SILENCE_SECONDS,
        )
        try:
            for line in stream:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] != "DELETED":
                    yield event["object"]
        finally:
            stream.release_conn()

    def _service(self, service: Json) -> None:
        deployment = self._read(self._api.apps.read_namespaced_deployment, f"{service['metadata']['name']}-{slot_of(service)}")
        self._say(service, deployment)

    def _slot(self, deployment: Json) -> None:
        """The Service is read before and after the slot: were it moved in between, the two would not belong together."""
        labels = deployment["metadata"]["labels"]
        before = self._read(self._api.core.read_namespaced_service, labels[kubernetes.LABEL_MODEL])
        if before is None or slot_of(before) != labels[kubernetes.LABEL_SLOT]:
            return
        found = self._read(self._api.apps.read_namespaced_deployment, deployment["metadata"]["name"])
        after = self._read(self._api.core.read_namespaced_service, labels[kubernetes.LABEL_MODEL])
        if after and after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]:
            self._say(after, found)

    def _say(self, service: Json, deployment: Json | None) -> None:
        is_live = (service["metadata"].get("labels") or {}).get(kubernetes.LABEL_LIVE) == "true"
        if is_live and deployment and (sighting := sighting_of(service, deployment)):
            self._see(sighting)

    def _read(self, read: Any, name: str) -> Json | None:
        found = self._api.find(lambda *names, **options: _content(read(*names, _preload_content=False, **options)), name, self._namespace)
        return None if found is None else dict(found)


def _content(response: Any) -> Json:
    return dict(json.loads(response.data))
