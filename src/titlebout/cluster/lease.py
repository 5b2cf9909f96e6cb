"""Let one command at a time do the same work in a namespace, by a Lease that its holder renews.

The Lease of a killed holder is free after LEASE_SECONDS.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from titlebout.cluster.api import Api
from titlebout.spec import Busy, ClusterError
from titlebout.waiting import wait_until

# A Lease that was not renewed for this time is free. It is less than the 10 s that a second
# command waits.
LEASE_SECONDS = 8
RENEW_SECONDS = 2.0
POLL_SECONDS = 0.5


@contextmanager
def hold_lease(
    api: Api, namespace: str, name: str, *, work: str, by: str, wait_seconds: float
) -> Iterator[Callable[[], None]]:
    """Hold the Lease, and yield a function that raises Busy if it is no longer ours.

    A holder that was cut off for long may have lost it without notice. `work` names what the Lease
    protects. Raise Busy, naming the holder, if another one still renews it after `wait_seconds`.
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
        lease.give_back()


def lease_holder(api: Api, namespace: str, name: str, *, after: datetime) -> str | None:
    """Describe the holder that took the Lease after this time.

    Return None if there is none, or if nobody renews the Lease for LEASE_SECONDS.
    """
    read = partial(_read_lease, api, namespace, name)
    first = read()
    if first is None or not first.spec.holder_identity:
        return None
    if first.spec.acquire_time is not None and first.spec.acquire_time < after:
        return None
    version = first.metadata.resource_version
    found = wait_until(
        read,
        lambda lease: lease is None or lease.metadata.resource_version != version,
        seconds=LEASE_SECONDS,
        poll_seconds=POLL_SECONDS,
    )
    if found is None or not found.spec.holder_identity:
        return None
    return _describe_holder(found.spec) if found.metadata.resource_version != version else None


def _read_lease(api: Api, namespace: str, name: str) -> Any | None:
    return api.find(api.coordination.read_namespaced_lease, name, namespace)


def _describe_holder(spec: Any) -> str:
    return f"one by {spec.holder_identity}, last renewed at {spec.renew_time:%H:%M:%S} UTC"


class _Lease:
    def __init__(self, api: Api, namespace: str, name: str, *, work: str, holder: str) -> None:
        self.api, self.namespace, self.name = api, namespace, name
        self.work, self.holder = work, holder

    def acquire(self, wait_seconds: float) -> None:
        """Take the Lease when it is free. Raise Busy after `wait_seconds`.

        A holder is gone if it did not renew for LEASE_SECONDS of this process's own clock. No two
        clocks are compared.
        """
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
        """Renew until `ended`. A renewal that fails is tried again.

        Whoever must not go on without the Lease calls `require`.
        """
        while not ended.wait(RENEW_SECONDS):
            try:
                found = self._read()
                if found is None or found.spec.holder_identity != self.holder:
                    return
                self._take(found)
            except ClusterError:
                continue

    def require(self) -> None:
        """Raise Busy if the Lease is no longer ours."""
        found = self._read()
        if found is None or found.spec.holder_identity != self.holder:
            raise self._busy(found)

    def give_back(self) -> None:
        """Give the Lease back. No error of the API counts now: the work is done.

        A Lease that is not given back expires, or was deleted with its namespace.
        """
        with suppress(ClusterError):
            found = self._read()
            if found is not None and found.spec.holder_identity == self.holder:
                self._write(found, holder=None)

    def _read(self) -> Any | None:
        return _read_lease(self.api, self.namespace, self.name)

    def _take(self, found: Any | None) -> bool:
        """Write our name into the Lease; return False if somebody else was first."""
        return self._write(found, holder=self.holder)

    def _write(self, found: Any | None, *, holder: str | None) -> bool:
        what = f"hold lease {self.namespace}/{self.name}"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now,
        }
        if found is None or found.spec.holder_identity != self.holder:
            spec["acquireTime"] = now
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
        held = _describe_holder(spec) if spec and spec.holder_identity else "one"
        return Busy(
            f"{self.name} in {self.namespace}",
            expected=f"no other {self.work} under way",
            found=held,
            next_step="wait for it to end, then run the command again",
        )
