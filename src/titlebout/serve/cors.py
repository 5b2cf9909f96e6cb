"""Allow cross-origin requests: the scripts of which web pages may read the answers.

The deployment names them; by default there are none.
"""

from collections.abc import Mapping, Sequence

from titlebout.serve.asgi import Headers

ANY = "*"
PREFLIGHT_SECONDS = 600  # a browser asks again after so long
METHODS = b"GET, POST, OPTIONS"
REQUEST_HEADERS = b"content-type, content-encoding, x-request-id, x-event-time"
READABLE_HEADERS = b"x-request-id, x-titlebout-release"


class Cors:
    """Allow `origins`: whole origins such as https://app.example.com, or ANY."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, request_headers: Mapping[bytes, bytes]) -> Headers:
        """Return the headers of an answer.

        It is empty if the request names no origin. An origin that is not allowed gets only `vary`.
        """
        origin = request_headers.get(b"origin")
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

    def preflight(self, request_headers: Mapping[bytes, bytes]) -> Headers | None:
        """Return the headers that answer a browser's preflight request.

        Return None if the request is none.
        """
        if b"access-control-request-method" not in request_headers or not self._origins:
            return None
        allowed = self.headers(request_headers)
        if not any(name == b"access-control-allow-origin" for name, _ in allowed):
            return allowed
        return [
            *allowed,
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", REQUEST_HEADERS),
            (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
        ]
