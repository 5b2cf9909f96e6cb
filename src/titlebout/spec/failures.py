"""Requests that a server did not answer with a prediction, a few of each client's, as a bake asks them of both slots again."""

from titlebout.spec.record import Record

FAILED_PATH = "/failed"  # of the server; for the platform alone, since clients' rows are in it


class Failure(Record):
    """One request as it was sent, the body in base64; `number` tells it from every other of the same server."""

    number: int
    path: str
    headers: dict[str, str]
    body: str
    status: int


class Failures(Record):
    """Of `seen` requests of one kind, a random few."""

    seen: int = 0
    kept: tuple[Failure, ...] = ()


class ClientFailures(Record):
    """`asked` counts all of the client's requests for predictions that the server had room for."""

    client: str
    asked: int
    errors: Failures = Failures()
    refusals: Failures = Failures()


class ServerFailures(Record):
    clients: tuple[ClientFailures, ...] = ()
