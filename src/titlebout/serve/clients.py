"""Give each client a key that tells clients apart and names nobody.

Requests of one client are alike, so a comparison of two releases counts clients (`titlebout
compare`). The client's own value is not kept.
"""

import hashlib
from collections.abc import Mapping

CLIENT_NAME = "titlebout-client"  # of the header or the cookie, unless the deployment names another
KEY_BYTES = 12  # of a million clients, two have the same key with a chance of 10^-17


class Clients:
    """Compute the clients' keys, with the release's id as the salt.

    A client has the same key in all servers of a release, and another key in the next release.
    """

    def __init__(self, name: str, *, release: str) -> None:
        self._header = name.lower().encode()
        self._cookie = name.encode()
        self._salt = release.encode()

    def key(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Return the key of the header's value, or else of the cookie's.

        Return None if the client sends neither.
        """
        value = headers.get(self._header) or _read_cookie(headers.get(b"cookie", b""), self._cookie)
        return (
            hashlib.blake2b(value, key=self._salt, digest_size=KEY_BYTES).hexdigest()
            if value
            else None
        )


def _read_cookie(header: bytes, name: bytes) -> bytes | None:
    for pair in header.split(b";"):
        found, _, value = pair.strip().partition(b"=")
        if found == name:
            return value.strip()
    return None
