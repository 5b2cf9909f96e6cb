"""Deploy a model with two tiny slots in a namespace of its own, and send requests to it."""

import collections
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from support.gateway_clients import GATEWAY, Answer, ask, load

from titlebout.cluster import Api, Helm
from titlebout.rollout.kubernetes.kubernetes_slots import KubernetesSlots
from titlebout.rollout.kubernetes.model_route import ModelRoute
from titlebout.spec import SlotName, object_names

MODEL = "tiny"
SERVER = Path(__file__).with_name("tiny_slot.py")


class TinySlots:
    """Deploy, switch and ask the two slots of a model behind the Gateway."""

    def __init__(self, namespace: str, *, image: str) -> None:
        self.api, self.namespace, self.image = Api(None), namespace, image
        self.slots = KubernetesSlots(
            self.api, Helm(None), chart=Path("helm/serving"), namespace=namespace, model=MODEL
        )
        self.route = ModelRoute(self.api, GATEWAY, namespace=namespace, model=MODEL)

    def deploy(
        self, slot: SlotName, *, errors: float = 0, refusals: float = 0, delay_seconds: float = 0
    ) -> None:
        """Deploy the slot, and wait until its pod is ready."""
        name = f"{MODEL}-{slot}"
        labels = {object_names.LABEL_MODEL: MODEL, object_names.LABEL_SLOT: slot}
        env = {
            "SLOT": slot,
            "ERRORS": str(errors),
            "REFUSALS": str(refusals),
            "DELAY_SECONDS": str(delay_seconds),
        }
        container = {
            "name": "server",
            "image": self.image,
            "command": ["python", "-c", SERVER.read_text()],
            "env": [{"name": key, "value": value} for key, value in env.items()],
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
            "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
            "resources": {
                "requests": {"cpu": "10m", "memory": "24Mi"},
                "limits": {"memory": "64Mi"},
            },
        }
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        }
        meta = {"name": name, "annotations": {object_names.ANNOTATION_RELEASE: f"release-{slot}"}}
        self.api.apps.create_namespaced_deployment(self.namespace, {"metadata": meta, "spec": spec})
        service = {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]}
        self.api.core.create_namespaced_service(
            self.namespace, {"metadata": {"name": name}, "spec": service}
        )
        self.wait_until(lambda: (found := self.slots.deployed(slot)) and found.ready == 1)

    def switch(self, slot: SlotName) -> None:
        """Move the live Service to the slot."""
        live = self.slots.live()
        if live:
            self.slots.allow(slot)
        self.slots.switch(
            slot,
            kind="switched",
            by="test",
            reason="test",
            evidence={},
            after=live.number if live else None,
        )

    def ask(self, **headers: str) -> tuple[int, str, str]:
        """Send one request on a new connection, and return its status, slot and cookie."""
        status, body, cookie = ask(self.route.host, b"{}", **headers)
        answer = json.loads(body).get("slot", "") if body.startswith(b"{") else ""
        return status, answer, cookie

    def count_answers(self, times: int = 200, **headers: str) -> collections.Counter:
        """Send requests, and count their answers by status and slot."""
        return collections.Counter(self.ask(**headers)[:2] for _ in range(times))

    def seen_request_ids(self, slot: str) -> set[str]:
        """Return the request ids that reached the slot."""
        pods = self.api.core.list_namespaced_pod(
            self.namespace, label_selector=f"{object_names.LABEL_SLOT}={slot}"
        ).items
        answer = self.api.core.connect_get_namespaced_pod_proxy_with_path(
            f"{pods[0].metadata.name}:8080", self.namespace, "seen", _preload_content=False
        )
        return set(json.loads(answer.data))

    @staticmethod
    def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until the condition holds. Raise AssertionError when the time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "not in time"
            time.sleep(0.2)

    def load(self, *, clients: int = 4) -> AbstractContextManager[list[Answer]]:
        """Let clients send one request after the other, and yield their answers."""
        return load(lambda: self.ask()[:2], clients=clients)
