"""Read what is live from the API's own JSON: a live Service and the Deployment behind it."""

from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from titlebout.cluster import annotations_of
from titlebout.rollout.kubernetes import Earlier, Settlement, Statement
from titlebout.spec import Record, SlotName, object_names

Json = dict[str, Any]
R = TypeVar("R", bound=Record)
UNKNOWN_WRITER = "unknown"
SELECTOR_FIELD = ("f:spec", "f:selector")  # the API server notes a selector as one field
# Reading JSON of an unexpected shape raises one of these.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError)
RELEASE_FIELD = ("f:metadata", "f:annotations", f"f:{object_names.ANNOTATION_RELEASE}")


class LastWrite(Record):
    """Hold who wrote a field last, by field manager, and when."""

    by: str
    time: str


class Sighting(Record):
    """Hold what is live of one model, as seen once.

    - `service` and `deployment` are the objects' uid and resourceVersion, as `uid/version`.
    - `statement` is what the last release or rollback wrote on the Service, `earlier` what those
      before it wrote.
    - `slot_write` and `release_write` say who wrote the Service's slot and the slot's release last.
    """

    model: str
    service: str
    deployment: str
    slot: SlotName
    release: str
    earlier: Earlier
    statement: Statement | None
    settlement: Settlement | None
    slot_write: LastWrite
    release_write: LastWrite

    @property
    def is_as_stated(self) -> bool:
        """Tell whether the live slot and release are those of the statement."""
        return self.statement is not None and (self.statement.slot, self.statement.release) == (
            self.slot,
            self.release,
        )

    @property
    def meaning(self) -> tuple[str, ...]:
        """Return what matters to the ledger. Two equal values lead to the same entries."""
        return (
            self.service.split("/")[0],
            self.slot,
            self.release,
            self.statement.id if self.statement else "",
            self.settlement.id if self.settlement else "",
        )


def slot_of(service: Json) -> str:
    """Return the slot that the Service selects, or "" if it selects none."""
    return str((service["spec"].get("selector") or {}).get(object_names.LABEL_SLOT, ""))


def sighting_of(service: Json, deployment: Json) -> Sighting | None:
    """Return what is live, or None if the Deployment names no release.

    Raise an error of MALFORMED for what neither the API server nor a release writes, such as a slot
    of another name.
    """
    release = annotations_of(deployment).get(object_names.ANNOTATION_RELEASE)
    if not release:
        return None
    return Sighting(
        model=service["metadata"]["name"],
        service=_identity(service),
        deployment=_identity(deployment),
        slot=cast(SlotName, slot_of(service)),
        release=release,
        earlier=_record(Earlier, service, object_names.ANNOTATION_EARLIER) or Earlier(),
        statement=_record(Statement, service, object_names.ANNOTATION_CHANGE),
        settlement=_record(Settlement, service, object_names.ANNOTATION_SETTLED),
        slot_write=_last_write(service, SELECTOR_FIELD),
        release_write=_last_write(deployment, RELEASE_FIELD),
    )


def _identity(found: Json) -> str:
    return f"{found['metadata']['uid']}/{found['metadata']['resourceVersion']}"


def _record(kind: type[R], found: Json, annotation: str) -> R | None:
    """Return the annotation's record, or None if there is none or it cannot be read.

    Whoever writes something else there must not keep the ledger from following.
    """
    try:
        return kind.model_validate_json(annotations_of(found).get(annotation, ""))
    except ValidationError:
        return None


def _last_write(found: Json, field: tuple[str, ...]) -> LastWrite:
    """Return the API server's own note of the last write (managedFields).

    If it has none, the writer is unknown and the time is now.
    """
    owners = [
        entry
        for entry in found["metadata"].get("managedFields") or ()
        if entry.get("time") and _owns(entry.get("fieldsV1"), field)
    ]
    if not owners:
        return LastWrite(by=UNKNOWN_WRITER, time=datetime.now(UTC).isoformat())
    newest = max(owners, key=lambda entry: str(entry["time"]))
    return LastWrite(
        by=newest.get("manager") or UNKNOWN_WRITER,
        time=datetime.fromisoformat(newest["time"]).isoformat(),
    )


def _owns(fields: Json | None, path: tuple[str, ...]) -> bool:
    for step in path:
        if not fields or step not in fields:
            return False
        fields = fields[step]
    return True


def is_older(sighting: Sighting, than: Sighting) -> bool:
    """Tell whether a sighting is older than another.

    Two threads look. What one saw first must not be taken for what came later. The versions of one
    object only grow.
    """
    return _precedes(sighting.service, than.service) or (
        sighting.service == than.service and _precedes(sighting.deployment, than.deployment)
    )


def _precedes(one: str, other: str) -> bool:
    (uid, version), (other_uid, other_version) = one.split("/"), other.split("/")
    return uid == other_uid and int(version) < int(other_version)
