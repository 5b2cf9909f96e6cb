"""Close kept-open connections when they are old.

Behind a Kubernetes Service, only a new connection reaches the slot that traffic was switched to.
"""

import os
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_AGE_VARIABLE = "TITLEBOUT_MAX_CONNECTION_AGE_SECONDS"
CLOSE = (b"connection", b"close")


class ConnectionAgeProtocol(HttpToolsProtocol):
    """Answer the first request on an old connection with `Connection: close`.

    A connection is old after MAX_AGE_VARIABLE seconds; the client then opens another. A request is
    never refused for it, and clients that send one at a time lose nothing.
    """

    oldest_seconds = float(os.environ.get(MAX_AGE_VARIABLE, "inf"))

    def connection_made(self, transport: Any) -> None:
        """Note when the connection was opened."""
        super().connection_made(transport)
        self._made = time.monotonic()

    def on_headers_complete(self) -> None:
        """Add `Connection: close` to the answer if the connection is old."""
        super().on_headers_complete()
        if time.monotonic() - self._made > self.oldest_seconds and self.cycle is not None:
            # uvicorn reads them when the answer begins, which is later.
            self.cycle.default_headers = [*self.cycle.default_headers, CLOSE]
