"""Define the errors. Each names the object, what was expected and found, and the next step.

TitleboutError
├── SpecError        a file that a person wrote is wrong: model.yaml, environment.yaml, the lock
├── DataError        a table cannot be used: missing target, broken expectation, too few rows
├── InputError       a prediction request is wrong; the server answers 4xx
├── IntegrityError   content does not match its digest or its hash chain
├── RegistryError    the MLflow server refused, or does not hold what was asked for
│   └── RegistryAway it does not answer; whether it did what was asked is not known
├── StorageError     the folder or the object store of records and data is away, or refused
├── NotAllowed       the environment or a verdict does not permit what was asked
├── Busy             another command works on the same model, team or process
├── RolloutError     a slot, the proxy or a pre-deployment test failed
├── ProcessFailed    a server process ended, or did not become ready in time
└── ClusterError     Kubernetes refused, or lacks what a command needs
    └── ClusterAway  it does not answer; whether it did what was asked is not known
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

E = TypeVar("E", bound=BaseException)


class TitleboutError(Exception):
    """Name the object, what was expected, what was found and the next step.

    `subject` is the object. The other three are sentences without a full stop.
    """

    def __init__(self, subject: str, *, expected: str, found: str, next_step: str) -> None:
        self.subject = subject
        self.expected = expected
        self.found = found
        self.next_step = next_step
        super().__init__(self._sentence())

    @property
    def parts(self) -> dict[str, str]:
        """Return the four parts that every error has."""
        return {
            "subject": self.subject,
            "expected": self.expected,
            "found": self.found,
            "next_step": self.next_step,
        }

    @property
    def fields(self) -> dict[str, Any]:
        """Return the four parts and whatever public fields a subclass adds."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def _sentence(self) -> str:
        return (
            f"{self.subject}: expected {self.expected}; found {self.found}. Next: {self.next_step}."
        )

    def __reduce__(self) -> tuple[object, ...]:
        return rebuild_error, (type(self), self.fields)


def rebuild_error(kind: type[TitleboutError], fields: Mapping[str, Any]) -> TitleboutError:
    """Return an error with these fields; a subclass may take other arguments than they are."""
    error = kind.__new__(kind)
    vars(error).update(fields)
    error.args = (error._sentence(),)
    return error


def faults_of(parts: Mapping[str, Callable[[], object]]) -> dict[str, TitleboutError]:
    """Call each part, even after another failed. Return the errors by the name of their part."""
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
    """Return the error of a part that the machine did not let start.

    Examples are a folder that may not be written, and a full disk.
    """
    return ProcessFailed(
        part,
        expected="to start",
        found=str(error),
        next_step="fix what is wrong with the named file or folder",
    )


def raise_together(what: str, faults: Sequence[TitleboutError]) -> None:
    """Raise the faults, if there are any, as one ExceptionGroup."""
    if faults:
        raise ExceptionGroup(what, faults)


def leaves(group: BaseExceptionGroup[E]) -> list[E]:
    """Return the errors in a group, and in the groups in it."""
    found: list[E] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


class SpecError(TitleboutError):
    """Say what is wrong in a file that a person wrote."""


class DataError(TitleboutError):
    """Say why a table cannot be used."""


class InputError(TitleboutError):
    """Say what is wrong in a prediction request."""


class IntegrityError(TitleboutError):
    """Say which content does not match its digest or its hash chain."""


class RegistryError(TitleboutError):
    """Say what the MLflow server refused or does not hold."""


class RegistryAway(RegistryError):
    """Say that the MLflow server does not answer."""


class StorageError(TitleboutError):
    """Say that the folder or the object store is away, or refused."""


class NotAllowed(TitleboutError):
    """Say what the environment or a verdict does not permit."""


class Busy(TitleboutError):
    """Say that another command works on the same model, team or process."""


class RolloutError(TitleboutError):
    """Say which slot, proxy or pre-deployment test failed."""


class ProcessFailed(TitleboutError):
    """Say which process ended, or did not become ready in time."""


class ClusterError(TitleboutError):
    """Say what Kubernetes refused, or lacks."""


class ClusterAway(ClusterError):
    """Say that Kubernetes does not answer."""
