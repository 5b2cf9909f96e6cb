"""Describe requests that a server did not answer with a prediction.

A server keeps a few of each client, and a bake sends them to both slots again.
"""

from titlebout.spec.record import Record

FAILED_PATH = "/failed"  # of the server; only the platform may read it, as it holds clients' rows


class Failure(Record):
    """Hold one request as it was sent, the body in base64.

    `number` tells it from every other of the same server.
    """

    number: int
    path: str
    headers: dict[str, str]
    body: str
    status: int


class Failures(Record):
    """Count requests of one kind in `seen`, and hold a random few in `kept`."""

    seen: int = 0
    kept: tuple[Failure, ...] = ()


class ClientFailures(Record):
    """Hold one client's failed requests.

    `asked` counts all its requests for predictions that the server had room for.
    """

    client: str
    asked: int
    errors: Failures = Failures()
    refusals: Failures = Failures()


class ServerFailures(Record):
    """Hold the failed requests of one server, by client."""

    clients: tuple[ClientFailures, ...] = ()
