"""Which release answers at an address: what really has the traffic, whatever the records say."""

import urllib.error
import urllib.request
from http.client import HTTPException

RELEASE_HEADER = "x-titlebout-release"  # on every answer of the service
ANSWER_SECONDS = 5.0


def release_at(url: str) -> str | None:
    """Return the id of the release that answers, None if none does."""
    try:
        with urllib.request.urlopen(f"{url}/release", timeout=ANSWER_SECONDS) as response:  # noqa: S310  this machine's own slots
            return response.headers.get(RELEASE_HEADER) if response.status == 200 else None
    except urllib.error.HTTPError as error:
        with error:
            return None
    except (OSError, HTTPException):
        return None
