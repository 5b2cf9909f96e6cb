"""Cross-origin requests: which web pages' scripts may read the answers, as the deployment says. Default: none."""

from collections.abc import Mapping, Sequence

from titlebout.serve.asgi import Headers

ANY = "*"
PREFLIGHT_SECONDS = 600  # a browser asks again after so long
METHODS, REQUEST_HEADERS = (
    b"GET, POST, OPTIONS",
    b"content-type, content-encoding, x-request-id, x-event-time",
)
READABLE_HEADERS = b"x-request-id, x-titlebout-release"


class Cors:
    """`origins` are whole origins such as https://app.example.com, or ANY."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, sent: Mapping[bytes, bytes]) -> Headers:
        """Return what an answer carries: nothing for an origin that is not allowed, or a request that names none."""
        origin = sent.get(b"origin")
        if origin is None or not self._origins:
            return []
        vary = (b"vary", b"origin")
        if not (self._any or origin in self._origins):
            return [vary]
        return [
            (b"access-control-allow-origin", ANY.encode() if self._any else origin),
            (b"access-control-expose-headers", READABLE_HEADERS),
            vary,
        ]

    def preflight(self, sent: Mapping[bytes, bytes]) -> Headers | None:
        """Return the headers with which a browser's question before the request is answered; None if it is no such question."""
        if b"access-control-request-method" not in sent or not self._origins:
            return None
        allowed = self.headers(sent)
        if not any(name == b"access-control-allow-origin" for name, _ in allowed):
            return allowed
        return [
            *allowed,
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", REQUEST_HEADERS),
            (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
        ]
