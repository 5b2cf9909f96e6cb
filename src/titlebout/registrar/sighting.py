"""What is live, as seen once: a model's live Service and the Deployment behind it, read from the API's own JSON."""

from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from titlebout.cluster import annotations_of
from titlebout.rollout.kubernetes import Earlier, Settlement, Statement
from titlebout.spec import Record, SlotName, object_names

Json = dict[str, Any]
R = TypeVar("R", bound=Record)
NOBODY = "unknown"
SELECTOR_FIELD = ("f:spec", "f:selector")  # the API server notes a selector as one field
MALFORMED = (LookupError, TypeError, ValueError, AttributeError)  # what reading such JSON comes to
RELEASE_FIELD = ("f:metadata", "f:annotations", f"f:{object_names.ANNOTATION_RELEASE}")


class Mover(Record):
    """Who wrote a field last, by field manager, and when."""

    by: str
    time: str


class Sighting(Record):
    """`service` and `deployment` are the objects' uid and resourceVersion, `uid/version`."""

    model: str
    service: str
    deployment: str
    slot: SlotName
    release: str
    earlier: Earlier
    told: Statement | None
    settled: Settlement | None
    moved_slot: Mover
    moved_release: Mover

    @property
    def is_as_told(self) -> bool:
        return self.told is not None and (self.told.slot, self.told.release) == (
            self.slot,
            self.release,
        )

    @property
    def meaning(self) -> tuple[str, ...]:
        """Two sightings that agree on this say the same to the ledger."""
        return (
            self.service.split("/")[0],
            self.slot,
            self.release,
            self.told.id if self.told else "",
            self.settled.id if self.settled else "",
        )


def slot_of(service: Json) -> str:
    return str((service["spec"].get("selector") or {}).get(object_names.LABEL_SLOT, ""))


def sighting_of(service: Json, deployment: Json) -> Sighting | None:
    """None if the Deployment names no release: then nothing is known to be live.

    Raises an error of MALFORMED for what neither the API server nor a release writes so, as a slot of another name.
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
        told=_record(Statement, service, object_names.ANNOTATION_CHANGE),
        settled=_record(Settlement, service, object_names.ANNOTATION_SETTLED),
        moved_slot=_mover(service, SELECTOR_FIELD),
        moved_release=_mover(deployment, RELEASE_FIELD),
    )


def _identity(found: Json) -> str:
    return f"{found['metadata']['uid']}/{found['metadata']['resourceVersion']}"


def _record(kind: type[R], found: Json, annotation: str) -> R | None:
    """None also for what is no such record: whoever scribbles there must not keep the ledger from following."""
    try:
        return kind.model_validate_json(annotations_of(found).get(annotation, ""))
    except ValidationError:
        return None


def _mover(found: Json, field: tuple[str, ...]) -> Mover:
    """The API server's own note (managedFields); now, should it have none."""
    owners = [
        entry
        for entry in found["metadata"].get("managedFields") or ()
        if entry.get("time") and _owns(entry.get("fieldsV1"), field)
    ]
    if not owners:
        return Mover(by=NOBODY, time=datetime.now(UTC).isoformat())
    newest = max(owners, key=lambda entry: str(entry["time"]))
    return Mover(
        by=newest.get("manager") or NOBODY, time=datetime.fromisoformat(newest["time"]).isoformat()
    )


def _owns(fields: Json | None, path: tuple[str, ...]) -> bool:
    for step in path:
        if not fields or step not in fields:
            return False
        fields = fields[step]
    return True


def is_older(sighting: Sighting, than: Sighting) -> bool:
    """Two threads look: what one saw before the other must not be taken for what came after. Versions of one object only grow."""
    return _precedes(sighting.service, than.service) or (
        sighting.service == than.service and _precedes(sighting.deployment, than.deployment)
    )


def _precedes(one: str, other: str) -> bool:
    (uid, version), (other_uid, other_version) = one.split("/"), other.split("/")
    return uid == other_uid and int(version) < int(other_version)
