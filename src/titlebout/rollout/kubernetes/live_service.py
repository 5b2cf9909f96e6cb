"""Read and write a model's live Service; it is created once, and no chart owns it.

Its selector is the traffic, its annotations are the traffic's record.
"""

import logging
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from pydantic import ValidationError

from titlebout.rollout.kubernetes.statement import Earlier, Settlement, Statement
from titlebout.spec import NotAllowed, Record, SlotName, object_names

if TYPE_CHECKING:
    from titlebout.cluster import Api

log = logging.getLogger(__name__)

FIELD_MANAGER = "titlebout"
R = TypeVar("R", bound=Record)


class LiveService:
    """Hold one reading of the Service."""

    def __init__(self, found: Any) -> None:
        self._found = found

    @classmethod
    def read(cls, api: "Api", namespace: str, model: str) -> Self | None:
        """Read the Service; return None before the first release.

        Raise NotAllowed if the Service of that name is not a model's live Service.
        """
        found = api.find(api.core.read_namespaced_service, model, namespace)
        if (
            found is not None
            and (found.metadata.labels or {}).get(object_names.LABEL_LIVE) != "true"
        ):
            raise NotAllowed(
                f"service {namespace}/{model}",
                expected=f"a model's live Service, labelled {object_names.LABEL_LIVE}: true",
                found="a Service that somebody else made, or whose label is missing",
                next_step=f"give the model another name; or, if a release made it, "
                f"`kubectl label service {model} -n {namespace} {object_names.LABEL_LIVE}=true`",
            )
        return None if found is None else cls(found)

    @property
    def slot(self) -> SlotName:
        """Return the live slot."""
        return cast(SlotName, self._found.spec.selector[object_names.LABEL_SLOT])

    @property
    def version(self) -> str:
        """Return the resource version. It changes with every update, by any client."""
        return str(self._found.metadata.resource_version)

    @property
    def changed_at(self) -> str:
        """Return when anybody last changed it, as far as the API server noted that."""
        noted = [
            entry.time
            for entry in self._found.metadata.managed_fields or ()
            if entry.time is not None
        ]
        return str(max(noted, default=self._found.metadata.creation_timestamp).isoformat())

    @property
    def switchable(self) -> frozenset[str]:
        """Return the slots that traffic may go to."""
        return frozenset(
            filter(None, self._annotations.get(object_names.ANNOTATION_SWITCHABLE, "").split(","))
        )

    @property
    def statement(self) -> Statement | None:
        """Return what the last releaser wrote about its switch, or None."""
        return self._read_record(Statement, object_names.ANNOTATION_CHANGE)

    @property
    def earlier(self) -> Earlier:
        """Return the statements before the last one."""
        return self._read_record(Earlier, object_names.ANNOTATION_EARLIER) or Earlier()

    @property
    def settlement(self) -> Settlement | None:
        """Return the note that a bake went well, or None."""
        return self._read_record(Settlement, object_names.ANNOTATION_SETTLED)

    @property
    def _annotations(self) -> dict[str, str]:
        return self._found.metadata.annotations or {}

    def _read_record(self, kind: type[R], annotation: str) -> R | None:
        """Read a record from an annotation; None also for what is no such record.

        What anybody writes there must not keep a rollback from working.
        """
        try:
            return kind.model_validate_json(self._annotations.get(annotation, ""))
        except ValidationError:
            return None


def update(
    api: "Api",
    namespace: str,
    model: str,
    *,
    seen: str,
    annotations: dict[str, str],
    slot: SlotName | None = None,
) -> bool:
    """Update the annotations and, if a slot is given, the selector, in one request.

    Return False if the Service changed since version `seen`.
    """
    body: dict[str, Any] = {"metadata": {"resourceVersion": seen, "annotations": annotations}}
    if slot is not None:
        body["spec"] = {"selector": {object_names.LABEL_SLOT: slot}}
    log.info("update service %s/%s, seen at version %s", namespace, model, seen)
    return api.unless_changed(
        f"update service {namespace}/{model}",
        api.core.patch_namespaced_service,
        model,
        namespace,
        body,
        field_manager=FIELD_MANAGER,
    )


def create(
    api: "Api", namespace: str, model: str, *, annotations: dict[str, str], slot: SlotName
) -> bool:
    """Create the live Service, which no chart owns.

    Return False if there is one already.
    """
    body = {
        "metadata": {
            "name": model,
            "labels": {object_names.LABEL_LIVE: "true", object_names.LABEL_MODEL: model},
            "annotations": annotations,
        },
        "spec": {
            "selector": {object_names.LABEL_MODEL: model, object_names.LABEL_SLOT: slot},
            "ports": [{"name": "http", "port": object_names.SERVICE_PORT, "targetPort": "http"}],
        },
    }
    return api.unless_changed(
        f"create service {namespace}/{model}",
        api.core.create_namespaced_service,
        namespace,
        body,
        field_manager=FIELD_MANAGER,
    )
