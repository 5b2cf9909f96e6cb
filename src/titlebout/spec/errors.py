"""One family of errors; each says which object, what was expected, what was found, and what to do next.

TitleboutError
├── SpecError        a file that a person wrote (model.yaml, environment.yaml, the settings lock) is wrong
├── DataError        a table cannot be used: missing target, broken expectation, too few rows
├── InputError       a prediction request is wrong; the server answers 4xx
├── IntegrityError   content does not match its digest or its hash chain
├── RegistryError    the MLflow server refused, or does not hold what was asked for
│   └── RegistryAway it does not answer; whether it did what was asked is not known
├── StorageError     the folder or the object store of records and data is away, or refused
├── NotAllowed       the environment or a verdict does not permit what was asked
├── Busy             somebody else is at the same model, team or process
├── RolloutError     a slot, the proxy or a pre-deployment test failed
├── ProcessFailed    a server process ended, or did not become ready in time
└── ClusterError     Kubernetes refused, or lacks what a command needs
    └── ClusterAway  it does not answer; whether it did what was asked is not known
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

E = TypeVar("E", bound=BaseException)

NOTE = "titlebout-error: "  # begins the line of a traceback that holds the error as JSON


class TitleboutError(Exception):
    """`subject` is the object that the error is about; the other three are sentences without a full stop.

    A traceback ends with the error as JSON, so that whoever started the process need not parse sentences.
    """

    def __init__(self, subject: str, *, expected: str, found: str, next_step: str) -> None:
        self.subject, self.expected, self.found, self.next_step = (
            subject,
            expected,
            found,
            next_step,
        )
        super().__init__(f"{subject}: expected {expected}; found {found}. Next: {next_step}.")
        self.add_note(NOTE + json.dumps({"kind": type(self).__name__, **self.parts}))

    @property
    def parts(self) -> dict[str, str]:
        return {
            "subject": self.subject,
            "expected": self.expected,
            "found": self.found,
            "next_step": self.next_step,
        }

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.subject, self.expected, self.found, self.next_step)


def _rebuild(
    kind: type[TitleboutError], subject: str, expected: str, found: str, next_step: str
) -> TitleboutError:
    return kind(subject, expected=expected, found=found, next_step=next_step)


def faults_of(parts: Mapping[str, Callable[[], object]]) -> dict[str, TitleboutError]:
    """Call each part, whatever becomes of the others; return the errors of those that failed, by name."""
    faults: dict[str, TitleboutError] = {}
    for name, part in parts.items():
        try:
            part()
        except TitleboutError as error:
            faults[name] = error
        except OSError as error:
            faults[name] = not_started(name, error)
    return faults


def not_started(part: str, error: OSError) -> TitleboutError:
    """Say that a part did not start because of the machine: a folder that may not be written, a full disk."""
    return ProcessFailed(
        part,
        expected="to start",
        found=str(error),
        next_step="fix what is wrong with the named file or folder",
    )


def raise_together(what: str, faults: Sequence[TitleboutError]) -> None:
    """Raise the faults of parts that failed each by itself as one ExceptionGroup; do nothing if there are none."""
    if faults:
        raise ExceptionGroup(what, faults)


def leaves(group: BaseExceptionGroup[E]) -> list[E]:
    """Return the errors in a group, and in the groups in it."""
    found: list[E] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


class SpecError(TitleboutError):
    pass


class DataError(TitleboutError):
    pass


class InputError(TitleboutError):
    pass


class IntegrityError(TitleboutError):
    pass


class RegistryError(TitleboutError):
    pass


class RegistryAway(RegistryError):
    pass


class StorageError(TitleboutError):
    pass


class NotAllowed(TitleboutError):
    pass


class Busy(TitleboutError):
    pass


class RolloutError(TitleboutError):
    pass


class ProcessFailed(TitleboutError):
    pass


class ClusterError(TitleboutError):
    pass


class ClusterAway(ClusterError):
    pass
