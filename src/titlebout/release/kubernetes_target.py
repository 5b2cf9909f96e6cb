"""Take a transaction's steps on Kubernetes: charts in slots, a Lease, Jobs for tests and bake.

Only the registrar writes ledger and alias.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout.cluster import hold_lease, lease_holder, patiently
from titlebout.images import noted_image
from titlebout.ledger import MOVES, REGISTRAR_SECONDS, ask_registrar
from titlebout.release.probe_secrets import new_secret, variable_of
from titlebout.release.release_target import Adapters, Package, Packaged, ReleaseTarget, Tests
from titlebout.rollout import Change, Counted, answered, counted_pods, slot_pods
from titlebout.rollout.kubernetes import OUTSIDE, KubernetesSlots, id_of, open_kubernetes_slots
from titlebout.spec import (
    SPEED_WINDOWS,
    Cluster,
    ClusterError,
    Environment,
    IntegrityError,
    NotAllowed,
    Progress,
    Record,
    SlotName,
    load_model_spec,
    object_names,
    require_serving,
)
from titlebout.storage import S3, layout
from titlebout.waiting import wait_until

if TYPE_CHECKING:
    from titlebout.release.bake import Bake

PLATFORM = "platform"  # the image that Jobs run from
POLL_SECONDS = 0.25
# A registrar that was moved to another node starts in less, and a release takes minutes anyway.
CATCH_UP_SECONDS = 60.0
TESTS = 5  # a test of speed may take some windows
# The bake reads the inference table, waits for both slots' answers, and for a server that hangs.
COMPARE_SECONDS = 120.0
DIGEST_MARK = "@sha256:"


@dataclass(frozen=True)
class KubernetesTarget(ReleaseTarget):
    """Release one model into the slots of a namespace; `tunnels` are closed at the end."""

    slots: KubernetesSlots
    cluster: Cluster
    tunnels: ExitStack = field(repr=False)

    @cached_property
    def reachable(self) -> Environment:
        """Open the tunnels when first asked, and return the environment with their addresses.

        A rollback needs none.
        """
        from titlebout.cluster import reach

        return self.tunnels.enter_context(reach(self.environment, team=self.spec.owner))

    @cached_property
    def platform_image(self) -> str:
        """Return the image that Jobs run, by digest; raise an error if it was not built."""
        return noted_image(self.project, PLATFORM)

    def lock(self, *, by: str, wait_seconds: float) -> AbstractContextManager[Callable[[], None]]:
        """Hold the model's Lease; what it yields raises Busy when the Lease is lost."""
        return hold_lease(
            self.slots.api,
            self.slots.namespace,
            self.lease,
            work="release",
            by=by,
            wait_seconds=wait_seconds,
        )

    def release_under_way(self, *, after: datetime) -> str | None:
        """Describe the holder of the model's Lease; return None if nobody took it after this."""
        return lease_holder(self.slots.api, self.slots.namespace, self.lease, after=after)

    @property
    def lease(self) -> str:
        """Return the name of the Lease that a release holds."""
        return f"release-{self.model}"

    def prepare(self) -> None:
        """Require the platform's image, and the Gateway that a strategy needs.

        A missing one is found before anything is built, not at the first Job.
        """
        from titlebout.release.run_strategy import prepare

        _ = self.platform_image
        prepare(self.slots, self.strategy, gateway=self.cluster.gateway)

    def package(self, model_folder: Path, to: Path) -> Package:
        """Build and push an image; raise IntegrityError if it has no digest."""
        folder, _ = self.adapters.build(self.project, model_folder, to)
        image = self.adapters.build_image(
            self.project, folder, images=self.cluster.images, model=self.model
        )
        repository, mark, digest = image.partition(DIGEST_MARK)
        if not mark:
            raise IntegrityError(
                repository,
                expected="an image by digest",
                found=image,
                next_step="push it and read its digest",
            )
        return Package(digest, reference=image)

    def check(self, slot: SlotName, packaged: Packaged) -> None:
        """Raise ClusterError if the chart refuses the slot's values; change nothing."""
        self.slots.check(slot, self._values(slot, packaged))

    def deploy(self, slot: SlotName, packaged: Packaged) -> None:
        """Install the serving chart for the slot, and wait until its pods are ready."""
        self.slots.deploy(slot, self._values(slot, packaged))

    def test(self, slot: SlotName, packaged: Packaged, *, progress: Progress) -> Tests:
        """Run the pre-deployment tests in a Job; raise RolloutError at the first that fails."""
        from titlebout.release.task_pod import SlotTask

        task = SlotTask(
            subject=self.subject(slot, packaged),
            objective=self.spec.service,
            seconds=self.serving.test_seconds,
        )
        result = self._run_job(
            "test", task, seconds=task.seconds * TESTS * SPEED_WINDOWS, progress=progress
        )
        return tuple(result["tests"])

    def run_strategy(self, slot: SlotName, tests: Tests, *, progress: Progress) -> None:
        """Let the Gateway send a part of the requests to the slot, as the strategy says."""
        from titlebout.release.predeployment import refuses_todays_clients
        from titlebout.release.run_strategy import run_strategy

        run_strategy(
            self.slots,
            self.strategy,
            gateway=self.cluster.gateway,
            candidate=slot,
            p99_ms=self.spec.service.p99_ms,
            may_refuse=refuses_todays_clients(tests),
            progress=progress,
        )

    def reset_route(self) -> bool:
        """Send all requests to the live Service; return whether they were divided."""
        from titlebout.release.run_strategy import reset_route

        return reset_route(self.slots, self.cluster.gateway)

    def reconcile(self) -> str | None:
        """Wait for the registrar, which watches the Service; return why it is late, or None."""
        late = self._wait_for_ledger(REGISTRAR_SECONDS)
        return f"ledger and alias follow later: {late}" if late else None

    def require_recorded(self) -> None:
        """Raise NotAllowed if the ledger does not say in a minute what is live."""
        if late := self._wait_for_ledger(CATCH_UP_SECONDS):
            namespace = self.slots.namespace
            pods = f"kubectl get pods -n {namespace} -l {object_names.LABEL_PART}=registrar"
            logs = f"kubectl logs -n {namespace} deployment/registrar"
            raise NotAllowed(
                f"release of {self}",
                expected="the ledger to tell of what is live, before something else is",
                found=late,
                next_step=f"see `{pods}` and `{logs}`; when it has caught up, "
                "run the command again. A rollback does not wait for it",
            )

    def _wait_for_ledger(self, seconds: float) -> str | None:
        """Wait so long until the ledger says what is live; return why it does not, or None."""
        late = wait_until(
            self._ledger_delay,
            lambda late: late is None,
            seconds=seconds,
            poll_seconds=POLL_SECONDS,
        )
        return None if late is None else late + self._registrar_problem()

    def _ledger_delay(self) -> str | None:
        """Return why the ledger does not say what is live, or None if it does."""
        try:
            live = self.slots.live()
            if live is None or _has_recorded(self._ask(f"history/{self.model}"), live):
                return None
        except ClusterError as error:
            return f"the registrar in {self.slots.namespace} does not answer ({error.found})"
        return f"the registrar in {self.slots.namespace} has not written it yet"

    def _registrar_problem(self) -> str:
        """Return what keeps the registrar from writing, as it says itself."""
        try:
            problem = self._ask("status")["problems"].get(f"ledger of {self.model}")
        except ClusterError:
            return ""
        return f": {problem}" if problem else ""

    def _ask(self, path: str) -> Any:
        return ask_registrar(self.slots.api, self.slots.namespace, path)

    def is_unsettled(self, change: Change) -> bool:
        """Tell whether the change is a switch whose bake has not ended."""
        return self.slots.is_unsettled(change)

    def counts(self, slot: SlotName) -> dict[str, Counted | None]:
        """Return what each of the slot's pods has counted; None for one that does not answer."""
        return counted_pods(
            self.slots.api,
            namespace=self.slots.namespace,
            model=self.model,
            slot=slot,
            p99_ms=self.spec.service.p99_ms,
        )

    def probe_secret(self, slot: SlotName) -> str:
        """Return the name of the variable by which a Job has the slot's secret."""
        return variable_of(slot)

    def bake(self, change: Change, *, progress: Progress) -> str | None:
        """Watch the live address from a Job; return the fault in words, or None.

        It waits for an API server that does not answer: that says nothing about the release.
        """
        from titlebout.release.bake_task import bake_of

        storage = self.environment.storage
        # A folder of this machine does not exist in the namespace.
        readable = storage if storage.startswith(S3) else None
        bake = bake_of(
            self, change, servers=patiently(lambda: self._pod_urls(change.slot)), storage=readable
        )
        progress(f"bake: watching {bake.url} for {bake.seconds:g} s")
        if not answered(bake.before.new):
            progress(
                "bake: no pod told before the switch what it had counted; "
                "their counts are watched from now on"
            )
        result = self._run_job(
            "bake",
            bake,
            seconds=bake.seconds * 2 + COMPARE_SECONDS,
            reads_storage=bake.shift is not None,
            progress=progress,
        )
        fault: str | None = result["fault"] or self._late_fault(
            bake, change.slot, progress=progress
        )
        live = patiently(self.slots.live)
        has_moved = live is None or live.number != change.number
        return None if has_moved else fault

    def _late_fault(self, bake: "Bake", slot: SlotName, *, progress: Progress) -> str | None:
        """Return the fault of pods that were added during the bake, which its Job does not know."""
        from titlebout.release.bake import late_fault

        counts = patiently(lambda: self.counts(slot))
        if silent := [
            name for name, counted in counts.items() if counted is None and name not in bake.servers
        ]:
            progress(
                "bake: not watched, since they came during it and do not answer yet: "
                f"{', '.join(silent)}"
            )
        return late_fault(bake, answered(counts))

    def settle(self, change: Change, *, by: str, reason: str) -> bool:
        """Note on the live Service that the bake passed; return False if the traffic moved on."""
        return self.slots.settle(change, by=by, reason=reason)

    def _run_job(
        self,
        purpose: str,
        task: Record,
        *,
        seconds: float,
        progress: Progress,
        reads_storage: bool = False,
    ) -> dict[str, Any]:
        """Run the task in a Job of the namespace, and return its result."""
        from titlebout.release.task_job import release_job, run_release_job

        job = release_job(
            purpose,
            task,
            model=self.model,
            image=self.platform_image,
            seconds=seconds,
            reads_storage=reads_storage,
        )
        return run_release_job(self.slots.api, self.slots.namespace, job, progress=progress)

    def _pod_urls(self, slot: SlotName) -> dict[str, str]:
        """Return the address of each of the slot's pods, by name."""
        found = slot_pods(
            self.slots.api, namespace=self.slots.namespace, model=self.model, slot=slot
        )
        return {
            pod.metadata.name: f"http://{pod.status.pod_ip}:{object_names.SERVING_PORT}"
            for pod in found
            if pod.status.pod_ip
        }

    def _values(self, slot: SlotName, packaged: Packaged) -> dict[str, Any]:
        """Return the values of the serving chart for this slot."""
        from titlebout.cluster import merged, platform_values

        record = packaged.record
        gateway = self.cluster.gateway
        override = (
            {"overrideBy": record.override.by, "overrideReason": record.override.reason}
            if record.override
            else {}
        )
        values = {
            "model": self.model,
            "slot": slot,
            "image": packaged.package.reference,
            "release": {
                "id": record.id,
                "record": record.canonical_json(),
                "verdict": "override" if record.override else "accept",
                **override,
            },
            "objective": {"p99Ms": self.spec.service.p99_ms},
            "inference": {
                "url": "/".join((self.environment.storage, *layout.inference(self.model))),
                "secret": object_names.STORAGE_SERVING_SECRET,
            },
            "probeSecret": new_secret(),
            "corsOrigins": list(self.serving.cors_origins),
            "strategy": self.strategy.kind if self.strategy else "blue-green",
            "proxyNamespaces": [gateway.proxy_namespace] if gateway else [],
        }
        return merged(values, platform_values(self.project, self.environment.name, "serving"))


def _has_recorded(history: Any, live: Change) -> bool:
    """Tell whether the ledger ends with what is live and has this change.

    A change from outside has no id there.
    """
    moves = [entry for entry in history if entry["kind"] in MOVES]
    if not moves or moves[-1]["to_release"] != live.release:
        return False
    return live.by == OUTSIDE or any(
        entry["evidence"].get("change") == id_of(live) for entry in moves
    )


@contextmanager
def open_kubernetes_target(
    project: Path, model: str, environment: Environment, adapters: Adapters
) -> Iterator[KubernetesTarget]:
    """Open the model's slots in its team's namespace.

    Raise NotAllowed in an environment that serves nothing or is not on a cluster.
    """
    cluster = environment.kubernetes
    if cluster is None:
        raise NotAllowed(
            f"{model} in {environment.name}",
            expected="an environment on a cluster",
            found=f"environments/{environment.name}/environment.yaml has no `kubernetes`",
            next_step="see docs/install.md",
        )
    require_serving(environment, subject=f"{model} in {environment.name}")
    team = load_model_spec(project, model).owner
    slots = open_kubernetes_slots(
        project, model, cluster, namespace=object_names.namespace_of(team, environment.name)
    )
    with ExitStack() as tunnels:
        yield KubernetesTarget(
            project=project,
            model=model,
            environment=environment,
            slots=slots,
            adapters=adapters,
            cluster=cluster,
            tunnels=tunnels,
        )
