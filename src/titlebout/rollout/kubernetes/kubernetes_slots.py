"""Run the two slots of one model in a team's namespace.

They are chart releases behind the live Service; a switch changes its selector.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from titlebout.rollout.kubernetes import live_service
from titlebout.rollout.kubernetes.live_service import LiveService
from titlebout.rollout.kubernetes.statement import (
    Settlement,
    Statement,
    id_of,
    new_number,
    outside_change,
)
from titlebout.rollout.traffic import Change
from titlebout.spec import (
    SLOT_NAMES,
    Cluster,
    NotAllowed,
    Record,
    RolloutError,
    SlotName,
    object_names,
    other_than,
)
from titlebout.waiting import wait_until

if TYPE_CHECKING:
    from titlebout.cluster import Api, Helm

CHART = Path("helm", "serving")
# Pulling a release's layer and starting take ten; the rest is for a node that must be added first.
READY_SECONDS = 180.0
POLL_SECONDS = 0.5
# How long to ask an API server that does not answer: somebody waits for a rollback.
AWAY_SECONDS = 20.0
UPDATE_TRIES = 5  # others change the Service's annotations, too; each try reads it again


class DeployedRelease(Record):
    """Hold the release that a slot's Deployment says it serves; `ready` counts its ready pods."""

    release: str
    ready: int


class KubernetesSlots:
    """Run the slots as the chart releases `<model>-blue` and `<model>-green` of helm/serving.

    The Service `<model>` is the live address.
    """

    def __init__(
        self, api: "Api", helm: "Helm", *, chart: Path, namespace: str, model: str
    ) -> None:
        self.api = api
        self.helm = helm
        self.chart = chart
        self.namespace = namespace
        self.model = model

    @property
    def url(self) -> str:
        """Return the live address in the cluster; it never changes."""
        return f"http://{self.model}.{self.namespace}.svc"

    def slot_url(self, slot: SlotName) -> str:
        """Return the address of the slot's preview Service."""
        return f"http://{self.name(slot)}.{self.namespace}.svc"

    def name(self, slot: SlotName) -> str:
        """Return the name of the slot's chart release and of all that is in it."""
        return object_names.slot_name(self.model, slot)

    def service(self) -> LiveService | None:
        """Return the live Service as it is now; None before the first release."""
        return LiveService.read(self.api, self.namespace, self.model)

    def live(self) -> Change | None:
        """Return the change in force; None before the first."""
        service = self.service()
        return None if service is None else self._read_change(service)

    def other(self) -> SlotName:
        """Return the slot that is not live."""
        service = self.service()
        return other_than(service.slot) if service else SLOT_NAMES[0]

    def deployed(self, slot: SlotName) -> DeployedRelease | None:
        """Return what the slot's Deployment serves; None if there is none."""
        found = self.api.find(
            self.api.apps.read_namespaced_deployment, self.name(slot), self.namespace
        )
        if found is None:
            return None
        release = (found.metadata.annotations or {}).get(object_names.ANNOTATION_RELEASE, "")
        return DeployedRelease(release=release, ready=found.status.ready_replicas or 0)

    def undeploy(self, slot: SlotName) -> None:
        """Forbid traffic to the slot.

        What runs there goes on until the next deployment replaces it. Raise NotAllowed for the live
        slot.
        """

        def without(service: LiveService) -> frozenset[str]:
            if service.slot == slot:
                raise NotAllowed(
                    f"slot {slot} of {self}",
                    expected="the idle slot",
                    found="the live one",
                    next_step="use the other slot",
                )
            return service.switchable - {slot}

        self._write_switchable(without)

    def check(self, slot: SlotName, values: dict[str, Any]) -> None:
        """Raise ClusterError if the chart refuses the values; change nothing."""
        # A server's dry run does not tell the chart that there is a Gateway API.
        as_deployed = ("--validate", "--is-upgrade")
        self.helm.template(
            self.name(slot),
            self.chart,
            namespace=self.namespace,
            values=values,
            arguments=as_deployed,
        )

    def deploy(self, slot: SlotName, values: dict[str, Any]) -> None:
        """Install the chart in an empty slot, and wait until all of its pods are new and ready.

        Raise RolloutError if they are not in time.
        """
        self.helm.upgrade(
            self.name(slot),
            self.chart,
            namespace=self.namespace,
            values=values,
            wait_seconds=READY_SECONDS,
        )
        if not wait_until(
            lambda: self._is_rolled_out(slot), seconds=READY_SECONDS, poll_seconds=POLL_SECONDS
        ):
            raise RolloutError(
                f"slot {slot} of {self}",
                expected=f"only new pods, all ready, in {READY_SECONDS:.0f} s",
                found="old pods, or pods that are not ready",
                next_step=f"kubectl describe pods -n {self.namespace} "
                f"-l {object_names.LABEL_MODEL}={self.model}",
            )

    def start(self, slot: SlotName) -> None:
        """Raise RolloutError if none of the slot's pods is ready now.

        A slot on Kubernetes restarts by itself.
        """
        deployed = self.deployed(slot)
        if deployed is None or deployed.ready == 0:
            raise RolloutError(
                f"slot {slot} of {self}",
                expected="a ready pod",
                found="none",
                next_step=f"kubectl get pods -n {self.namespace} "
                f"-l {object_names.LABEL_SLOT}={slot}",
            )

    def require_answer(self, change: Change) -> None:
        """Raise RolloutError if no pod of the change's slot is ready now.

        The live Service has nothing else in front of them.
        """
        self.start(change.slot)

    def allow(self, slot: SlotName) -> None:
        """Put the slot on the list of those that traffic may go to.

        Before the first release there is no Service to write it on: `switch` creates it with its
        slot allowed.
        """
        self._write_switchable(lambda service: service.switchable | {slot})

    def switch(
        self,
        slot: SlotName,
        *,
        kind: Literal["switched", "rolled_back"],
        by: str,
        reason: str,
        evidence: dict[str, Any],
        after: int | None,
    ) -> Change:
        """Change selector and statement in one update.

        The API server refuses it if anybody changed the Service meanwhile. It is repeated while the
        API server does not answer, since that may have done what it was asked.

        Raise NotAllowed if the change in force is not `after`.
        """
        from titlebout.cluster import patiently

        move = partial(
            self._switch,
            new_number(),
            slot,
            kind=kind,
            by=by,
            reason=reason,
            evidence=evidence,
            after=after,
        )
        return patiently(move, seconds=AWAY_SECONDS)

    def _switch(
        self,
        number: int,
        slot: SlotName,
        *,
        kind: Literal["switched", "rolled_back"],
        by: str,
        reason: str,
        evidence: dict[str, Any],
        after: int | None,
    ) -> Change:
        """Switch as `switch` does; do nothing if the change in force has this number already."""
        for _ in range(UPDATE_TRIES):
            service = self.service()
            before = self._read_change(service) if service else None
            if before and before.number == number:
                return before
            if (before.number if before else None) != after:
                raise _traffic_moved_error(str(self), before)
            change = Change(
                number=number,
                slot=slot,
                release=self._require_allowed(service, slot).release,
                from_release=before.release if before else None,
                kind=kind,
                by=by,
                reason=reason,
                time=datetime.now(UTC).isoformat(),
                evidence=evidence,
            )
            if self._write_change(service, change):
                return change
        raise _update_conflict(str(self))

    def settle(self, change: Change, *, by: str, reason: str) -> bool:
        """Write that the bake of the change went well.

        Return False if another change is in force.
        """
        settlement = Settlement(
            id=id_of(change), by=by, reason=reason, time=datetime.now(UTC).isoformat()
        )
        annotations = {object_names.ANNOTATION_SETTLED: settlement.canonical_json()}
        for _ in range(UPDATE_TRIES):
            service = self.service()
            if service is None or self._read_change(service).number != change.number:
                return False
            if live_service.update(
                self.api, self.namespace, self.model, seen=service.version, annotations=annotations
            ):
                return True
        raise _update_conflict(str(self))

    def is_unsettled(self, change: Change) -> bool:
        """Tell whether a releaser made the change and nobody has settled its bake yet."""
        service = self.service()
        statement = service.statement if service else None
        if (
            service is None
            or statement is None
            or statement.id != id_of(change)
            or change.kind != "switched"
        ):
            return False
        return service.settlement is None or service.settlement.id != statement.id

    def _read_change(self, service: LiveService) -> Change:
        """Return what the releaser wrote, if that is live; else a change from outside."""
        statement, deployed = service.statement, self.deployed(service.slot)
        release = deployed.release if deployed else (statement.release if statement else "")
        if statement and (statement.slot, statement.release) == (service.slot, release):
            return statement.as_change()
        return outside_change(
            statement, slot=service.slot, release=release, time=service.changed_at
        )

    def _require_allowed(self, service: LiveService | None, slot: SlotName) -> DeployedRelease:
        deployed = self.deployed(slot)
        if deployed is None or (service is not None and slot not in service.switchable):
            switchable = ", ".join(sorted(service.switchable if service else ())) or "none"
            raise NotAllowed(
                f"slot {slot} of {self}",
                expected=f"a slot that traffic may go to ({switchable})",
                found="it is under test or empty",
                next_step="finish the release that is under way",
            )
        return deployed

    def _write_change(self, service: LiveService | None, change: Change) -> bool:
        """Write the change, and keep the statement that it overwrites beside it, in one update.

        The registrar may not have seen that statement yet.
        """
        annotations = {object_names.ANNOTATION_CHANGE: Statement.of(change).canonical_json()}
        if service is None:
            annotations_at_creation = {
                object_names.ANNOTATION_SWITCHABLE: change.slot,
                **annotations,
            }
            return live_service.create(
                self.api,
                self.namespace,
                self.model,
                annotations=annotations_at_creation,
                slot=change.slot,
            )
        annotations[object_names.ANNOTATION_EARLIER] = service.earlier.and_then(
            service.statement
        ).canonical_json()
        return live_service.update(
            self.api,
            self.namespace,
            self.model,
            seen=service.version,
            annotations=annotations,
            slot=change.slot,
        )

    def _write_switchable(self, wanted: Callable[[LiveService], frozenset[str]]) -> None:
        for _ in range(UPDATE_TRIES):
            service = self.service()
            if service is None:
                return
            slots = wanted(service)
            annotations = {object_names.ANNOTATION_SWITCHABLE: ",".join(sorted(slots))}
            if slots == service.switchable or live_service.update(
                self.api, self.namespace, self.model, seen=service.version, annotations=annotations
            ):
                return
        raise _update_conflict(str(self))

    def _is_rolled_out(self, slot: SlotName) -> bool:
        """Tell whether no pod of the slot is an old one.

        The release before must not answer the tests.
        """
        found = self.api.find(
            self.api.apps.read_namespaced_deployment, self.name(slot), self.namespace
        )
        if found is None or (found.status.observed_generation or 0) < found.metadata.generation:
            return False
        status = found.status
        return (
            bool(status.replicas)
            and status.replicas == status.updated_replicas == status.ready_replicas
        )

    def __str__(self) -> str:
        return f"{self.model} in {self.namespace}"


def open_kubernetes_slots(
    project: Path, model: str, cluster: Cluster, *, namespace: str
) -> KubernetesSlots:
    """Return the model's slots in the namespace."""
    from titlebout.cluster import Helm, connect

    api = connect(cluster)
    return KubernetesSlots(
        api, Helm(api.context), chart=project / CHART, namespace=namespace, model=model
    )


def _traffic_moved_error(subject: str, found: Change | None) -> NotAllowed:
    live = f"slot {found.slot}, release {found.release[:12]}" if found else "nothing live"
    return NotAllowed(
        f"traffic of {subject}",
        expected="the change that this command saw to be in force",
        found=f"{live}: somebody else moved the traffic",
        next_step="look at titlebout history, then run the command again",
    )


def _update_conflict(subject: str) -> RolloutError:
    return RolloutError(
        f"live Service of {subject}",
        expected=f"one update without a conflict in {UPDATE_TRIES} tries",
        found="another client changed it before each of them",
        next_step="find that client by kubectl get service --show-managed-fields -o yaml, stop it, "
        "then run the command again",
    )
