"""Name the errors with which a request is refused, each with its HTTP status.

Any other InputError is answered 422.
"""

from titlebout.spec import InputError

MAX_ROWS = 20_000  # about 0.3 s of one CPU; a larger table is a job for batch scoring
# 20,000 rows of 40 columns as JSON; of a compressed body, the size after unpacking.
MAX_BODY_BYTES = 16 << 20
UNPROCESSABLE = 422
RETRY_SECONDS = 1  # a large request is worked on for about so long


class Malformed(InputError):
    """Refuse what cannot be read at all."""

    status = 400


class TooLarge(InputError):
    """Refuse more than the server takes at once."""

    status = 413


class Unsupported(InputError):
    """Refuse an encoding that the server does not read."""

    status = 415


class Overloaded(InputError):
    """Refuse a request while as many large requests as fit are in work.

    The client may try again after RETRY_SECONDS.
    """

    status = 503


def status_of(error: InputError) -> int:
    """Return the HTTP status that answers the error."""
    return int(getattr(error, "status", UNPROCESSABLE))


def too_large(found: str) -> TooLarge:
    """Return the error for a request that is too large."""
    return TooLarge(
        "the request",
        expected=f"at most {MAX_ROWS:,} rows and {MAX_BODY_BYTES:,} bytes",
        found=found,
        next_step="split it, or score in batch",
    )
