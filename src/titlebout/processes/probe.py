"""Probe whether a server answers."""

from titlebout.http_client import send_request

PROBE_SECONDS = 2.0  # a server on this machine that has not answered by then is not ready


def answers(url: str, *, seconds: float = PROBE_SECONDS) -> bool:
    """Tell whether a GET is answered with success."""
    return (_read_status(url, seconds) or 500) < 400


def responds(url: str, *, seconds: float = PROBE_SECONDS) -> bool:
    """Tell whether a GET is answered at all.

    A server that says that it is not ready does not hang.
    """
    return _read_status(url, seconds) is not None


def _read_status(url: str, seconds: float) -> int | None:
    try:
        return send_request(url, seconds=seconds).status
    except OSError:
        return None
