"""One command at a time at the same work in a namespace: a Lease that its holder renews; a killed holder's passes on."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from titlebout.cluster.api import Api
from titlebout.spec import Busy, ClusterError

LEASE_SECONDS = 8  # a lease that was not renewed for so long is its holder's no more; below the ten that a second comer waits
RENEW_SECONDS = 2.0
POLL_SECONDS = 0.5


@contextmanager
def hold_lease(
    api: Api, namespace: str, name: str, *, work: str, by: str, wait_seconds: float
) -> Iterator[Callable[[], None]]:
    """`work` is what nobody else is at then. Raises Busy, naming the holder, if the Lease is still renewed after `wait_seconds`.

    What it yields raises Busy if the Lease is no longer ours: a holder that was cut off for long may have lost it unawares.
    """
    holder = f"{by}@{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
    lease = _Lease(api, namespace, name, work=work, holder=holder)
    lease.acquire(wait_seconds)
    ended = threading.Event()
    renewing = threading.Thread(target=lease.renew_until, args=(ended,), daemon=True)
    renewing.start()
    try:
        yield lease.require
    finally:
        ended.set()
        renewing.join()
        lease.let_go()


class _Lease:
    def __init__(self, api: Api, namespace: str, name: str, *, work: str, holder: str) -> None:
        self.api, self.namespace, self.name, self.work, self.holder = (
            api,
            namespace,
            name,
            work,
            holder,
        )

    def acquire(self, wait_seconds: float) -> None:
        """A holder is gone when its renewal stood still for LEASE_SECONDS of this process's own clock: no two clocks are compared."""
        began = still_since = time.monotonic()
        seen = None
        while True:
            found = self._read()
            now = time.monotonic()
            if found is None or not found.spec.holder_identity:
                free = True
            else:
                if found.metadata.resource_version != seen:
                    seen, still_since = found.metadata.resource_version, now
                free = now - still_since >= LEASE_SECONDS
            if free and self._take(found):
                return
            if now - began >= wait_seconds:
                raise self._busy(found)
            time.sleep(POLL_SECONDS)

    def renew_until(self, ended: threading.Event) -> None:
        """A renewal that fails is tried again; who must not go on without the Lease asks for it."""
        while not ended.wait(RENEW_SECONDS):
            try:
                found = self._read()
                if found is None or found.spec.holder_identity != self.holder:
                    return
                self._take(found)
            except ClusterError:
                continue

    def require(self) -> None:
        found = self._read()
        if found is None or found.spec.holder_identity != self.holder:
            raise self._busy(found)

    def let_go(self) -> None:
        """The work is done, whatever the API says now: a Lease that is not given back passes on, or went with its namespace."""
        with suppress(ClusterError):
            found = self._read()
            if found is not None and found.spec.holder_identity == self.holder:
                self._write(found, holder=None)

    def _read(self) -> Any | None:
        return self.api.find(self.api.coordination.read_namespaced_lease, self.name, self.namespace)

    def _take(self, found: Any | None) -> bool:
        """False if somebody else was first."""
        return self._write(found, holder=self.holder)

    def _write(self, found: Any | None, *, holder: str | None) -> bool:
        what = f"hold lease {self.namespace}/{self.name}"
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        if found is None:
            body: dict[str, Any] = {"metadata": {"name": self.name}, "spec": spec}
            return self.api.unless_changed(
                what, self.api.coordination.create_namespaced_lease, self.namespace, body
            )
        body = {"metadata": {"resourceVersion": found.metadata.resource_version}, "spec": spec}
        return self.api.unless_changed(
            what, self.api.coordination.patch_namespaced_lease, self.name, self.namespace, body
        )

    def _busy(self, found: Any | None) -> Busy:
        spec = found.spec if found is not None else None
        held = (
            f"one by {spec.holder_identity}, last heard of at {spec.renew_time:%H:%M:%S} UTC"
            if spec and spec.holder_identity
            else "one"
        )
        return Busy(
            f"{self.name} in {self.namespace}",
            expected=f"no other {self.work} under way",
            found=held,
            next_step="wait for it to end, then run the command again",
        )
