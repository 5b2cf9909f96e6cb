"""The two slots of one model in a team's namespace: chart releases behind the live Service, and the switch of its selector."""

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
READY_SECONDS = 180.0  # pulling a release's layer and starting take ten; the rest is for a node that must be added first
POLL_SECONDS = 0.5
AWAY_SECONDS = (
    20.0  # of an API server that is asked to move the traffic: somebody waits for a rollback
)
UPDATE_TRIES = 5  # others change the Service's annotations, too; each try reads it again


class DeployedRelease(Record):
    """The release that a slot's Deployment says it serves; `ready` counts its pods that answer."""

    release: str
    ready: int


class KubernetesSlots:
    """`<model>-blue` and `<model>-green` are chart releases of helm/serving; the Service `<model>` is the live address."""

    def __init__(
        self, api: "Api", helm: "Helm", *, chart: Path, namespace: str, model: str
    ) -> None:
        self.api, self.helm, self.chart, self.namespace, self.model = (
            api,
            helm,
            chart,
            namespace,
            model,
        )

    @property
    def url(self) -> str:
        """The live address in the cluster; it never changes."""
        return f"http://{self.model}.{self.namespace}.svc"

    def slot_url(self, slot: SlotName) -> str:
        """The slot's preview Service."""
        return f"http://{self.name(slot)}.{self.namespace}.svc"

    def name(self, slot: SlotName) -> str:
        """Of the slot's chart release and all that is in it."""
        return object_names.slot_name(self.model, slot)

    def service(self) -> LiveService | None:
        return LiveService.read(self.api, self.namespace, self.model)

    def live(self) -> Change | None:
        service = self.service()
        return None if service is None else self._change(service)

    def other(self) -> SlotName:
        service = self.service()
        return other_than(service.slot) if service else SLOT_NAMES[0]

    def deployed(self, slot: SlotName) -> DeployedRelease | None:
        found = self.api.find(
            self.api.apps.read_namespaced_deployment, self.name(slot), self.namespace
        )
        if found is None:
            return None
        release = (found.metadata.annotations or {}).get(object_names.ANNOTATION_RELEASE, "")
        return DeployedRelease(release=release, ready=found.status.ready_replicas or 0)

    def undeploy(self, slot: SlotName) -> None:
        """Take the slot off the switchable list; what runs there goes on until the next deployment takes its place."""

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
        """Raises ClusterError if the chart refuses the values; changes nothing."""
        as_deployed = (
            "--validate",
            "--is-upgrade",
        )  # a server's dry run does not tell the chart that there is a Gateway API
        self.helm.template(
            self.name(slot),
            self.chart,
            namespace=self.namespace,
            values=values,
            arguments=as_deployed,
        )

    def deploy(self, slot: SlotName, values: dict[str, Any]) -> None:
        """Install the chart in a vacated slot, and wait until all of its pods are the new ones and ready."""
        self.helm.upgrade(
            self.name(slot),
            self.chart,
            namespace=self.namespace,
            values=values,
            wait_seconds=READY_SECONDS,
        )
        if not wait_until(
            lambda: self._rolled_out(slot), seconds=READY_SECONDS, poll_seconds=POLL_SECONDS
        ):
            raise RolloutError(
                f"slot {slot} of {self}",
                expected=f"only new pods, all ready, in {READY_SECONDS:.0f} s",
                found="old pods, or pods that are not ready",
                next_step=f"kubectl describe pods -n {self.namespace} "
                f"-l {object_names.LABEL_MODEL}={self.model}",
            )

    def start(self, slot: SlotName) -> None:
        """A slot on Kubernetes restarts by itself; raises RolloutError if none of its pods answers now."""
        deployed = self.deployed(slot)
        if deployed is None or deployed.ready == 0:
            raise RolloutError(
                f"slot {slot} of {self}",
                expected="a ready pod",
                found="none",
                next_step=f"kubectl get pods -n {self.namespace} -l {object_names.LABEL_SLOT}={slot}",
            )

    def require_answer(self, change: Change) -> None:
        """Raises RolloutError if no pod of the change's slot answers now: the live Service has nothing else in front of them."""
        self.start(change.slot)

    def allow(self, slot: SlotName) -> None:
        """Before the first release there is no Service to write it on: `switch` creates it with its slot allowed."""
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
        """One update of selector and statement together; the API server refuses it if anybody changed the Service meanwhile.

        Patient with an API server that does not answer, since it may have done what it was asked.
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
        """As `switch`; done already if the change in force has this number."""
        for _ in range(UPDATE_TRIES):
            service = self.service()
            before = self._change(service) if service else None
            if before and before.number == number:
                return before
            if (before.number if before else None) != after:
                raise _moved_by_others(str(self), before)
            change = Change(
                number=number,
                slot=slot,
                release=self._allowed(service, slot).release,
                from_release=before.release if before else None,
                kind=kind,
                by=by,
                reason=reason,
                time=datetime.now(UTC).isoformat(),
                evidence=evidence,
            )
            if self._move(service, change):
                return change
        raise _never_still(str(self))

    def settle(self, change: Change, *, by: str, reason: str) -> bool:
        """Say that the bake of the change went well; False if the traffic has moved on."""
        settlement = Settlement(
            id=id_of(change), by=by, reason=reason, time=datetime.now(UTC).isoformat()
        )
        annotations = {object_names.ANNOTATION_SETTLED: settlement.canonical_json()}
        for _ in range(UPDATE_TRIES):
            service = self.service()
            if service is None or self._change(service).number != change.number:
                return False
            if live_service.update(
                self.api, self.namespace, self.model, seen=service.version, annotations=annotations
            ):
                return True
        raise _never_still(str(self))

    def is_unsettled(self, change: Change) -> bool:
        """Whether a releaser switched to it and nobody said yet that its bake went well."""
        service = self.service()
        told = service.statement if service else None
        if service is None or told is None or told.id != id_of(change) or change.kind != "switched":
            return False
        return service.settlement is None or service.settlement.id != told.id

    def _change(self, service: LiveService) -> Change:
        """What the releaser said, where that is what is live; else a change from outside."""
        told, deployed = service.statement, self.deployed(service.slot)
        release = deployed.release if deployed else (told.release if told else "")
        if told and (told.slot, told.release) == (service.slot, release):
            return told.as_change()
        return outside_change(told, slot=service.slot, release=release, time=service.changed_at)

    def _allowed(self, service: LiveService | None, slot: SlotName) -> DeployedRelease:
        deployed = self.deployed(slot)
        if deployed is None or (service is not None and slot not in service.switchable):
            raise NotAllowed(
                f"slot {slot} of {self}",
                expected=f"a slot that traffic may go to ({', '.join(sorted(service.switchable if service else ())) or 'none'})",
                found="it is under test or empty",
                next_step="finish the release that is under way",
            )
        return deployed

    def _move(self, service: LiveService | None, change: Change) -> bool:
        """What is overwritten here is kept beside it, in the same update: the registrar may not have seen it yet."""
        annotations = {object_names.ANNOTATION_CHANGE: Statement.of(change).canonical_json()}
        if service is None:
            first = {object_names.ANNOTATION_SWITCHABLE: change.slot, **annotations}
            return live_service.create(
                self.api, self.namespace, self.model, annotations=first, slot=change.slot
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
        raise _never_still(str(self))

    def _rolled_out(self, slot: SlotName) -> bool:
        """No pod of the slot is an old one: the tests must not be answered by the release before."""
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
    from titlebout.cluster import Helm, connect

    api = connect(cluster)
    return KubernetesSlots(
        api, Helm(api.context), chart=project / CHART, namespace=namespace, model=model
    )


def _moved_by_others(subject: str, found: Change | None) -> NotAllowed:
    return NotAllowed(
        f"traffic of {subject}",
        expected="the change that this command saw to be in force",
        found=f"{f'slot {found.slot}, release {found.release[:12]}' if found else 'nothing live'}: somebody else moved the traffic",
        next_step="look at titlebout history, then run the command again",
    )


def _never_still(subject: str) -> RolloutError:
    return RolloutError(
        f"live Service of {subject}",
        expected=f"one update to hold in {UPDATE_TRIES} tries",
        found="somebody changes it all the time",
        next_step="kubectl get service --show-managed-fields tells who; stop that, then run the command again",
    )
