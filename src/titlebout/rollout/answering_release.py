"""Ask which release answers at an address.

That release really has the traffic, whatever the records say.
"""

from titlebout.http_client import send_request

RELEASE_HEADER = "x-titlebout-release"  # on every answer of the service
ANSWER_SECONDS = 5.0
OK = 200


def release_at(url: str) -> str | None:
    """Return the id of the release that answers, None if none does."""
    try:
        answer = send_request(f"{url}/release", seconds=ANSWER_SECONDS)
    except OSError:
        return None
    return answer.headers.get(RELEASE_HEADER) if answer.status == OK else None
