"""How a Gateway divides a model's requests: its HTTPRoute, made once, in no chart; Gateway API v1 and nothing of one vendor's."""

from typing import TYPE_CHECKING

from titlebout.rollout.traffic import SlotName
from titlebout.spec import AB, Gateway, NotAllowed, RolloutError, kubernetes
from titlebout.spec.route import GATEWAYS, GROUP, ROUTES, VERSION, Rule, holds, is_divided, rules_to_live

if TYPE_CHECKING:
    from titlebout.cluster import Api

FIELD_MANAGER = "titlebout"


class Route:
    """The HTTPRoute `<model>`: everything to the live Service, except while a strategy shows a slot to some of the requests."""

    def __init__(self, api: "Api", gateway: Gateway, *, namespace: str, model: str) -> None:
        self._api, self._gateway, self._namespace, self._model = api, gateway, namespace, model
        self._written: list[Rule] | None = None

    @property
    def host(self) -> str:
        return f"{self._model}.{self._namespace}.{self._gateway.domain}"

    def require_gateway(self) -> None:
        """Raises NotAllowed if the cluster has no such Gateway, or none at all."""
        gateway = self._gateway
        found = self._api.find(self._api.custom.get_namespaced_custom_object, GROUP, VERSION, gateway.namespace, GATEWAYS, gateway.name)
        if found is None:
            raise NotAllowed(
                f"route of {self._model} in {self._namespace}",
                expected=f"Gateway {gateway.namespace}/{gateway.name}, which environment.yaml names",
                found="no such Gateway in the cluster",
                next_step="install it, or mend `kubernetes.gateway`; without one there are no `strategies`",
            )

    def to_live(self) -> None:
        """Everything to the live Service."""
        self._write(rules_to_live(self._model))

    def divide(self, slot: SlotName, *, percent: int) -> None:
        """So many of a hundred requests to the slot's preview Service."""
        self._write([{"backendRefs": self._divided(slot, percent)}])

    def groups(self, slot: SlotName, strategy: AB) -> None:
        """Two groups of clients, told apart as the strategy says."""
        if strategy.by == "weight":
            self._write([{"backendRefs": self._divided(slot, strategy.percent), "sessionPersistence": _cookie(strategy)}])
            return
        name, pattern = (
            ("cookie", rf"(^|.*;\s*){strategy.name}={strategy.value}(;.*|$)") if strategy.by == "cookie" else (strategy.name, "")
        )
        match = {"name": name, "type": "RegularExpression", "value": pattern} if pattern else {"name": name, "value": strategy.value}
        self._write([{"matches": [{"headers": [match]}], "backendRefs": [self._preview(slot)]}, {"backendRefs": [self._live()]}])

    def mirror(self, slot: SlotName, *, percent: int) -> None:
        """Everything to the live Service, and a copy of so many of a hundred requests to the slot, whose answers go nowhere."""
        copy = {"type": "RequestMirror", "requestMirror": {"backendRef": self._preview(slot), "percent": percent}}
        self._write([{"filters": [copy], "backendRefs": [self._live()]}])

    def is_divided(self) -> bool:
        """Whether any request goes elsewhere than to the live Service alone."""
        rules = self.rules()
        return rules is not None and is_divided(rules, self._model)

    def require_own(self) -> None:
        """Raises RolloutError if the route is not as it was written here last: on-call takes the traffic back so."""
        if not holds(self._written, self.rules()):
            raise RolloutError(
                f"route of {self.host}",
                expected="the rules that this release wrote",
                found="others: somebody took the traffic back",
                next_step=f"kubectl get httproute {self._model} -n {self._namespace} -o yaml --show-managed-fields tells who; ask why",
            )

    def rules(self) -> list[Rule] | None:
        """As they stand; None if there is no route."""
        found = self._api.find(self._api.custom.get_namespaced_custom_object, GROUP, VERSION, self._namespace, ROUTES, self._model)
        return None if found is None else list(found["spec"]["rules"])

    def _divided(self, slot: SlotName, percent: int) -> list[Rule]:
        return [{**self._live(), "weight": 100 - percent}, {**self._preview(slot), "weight": percent}]

    def _live(self) -> Rule:
        return {"name": self._model, "port": kubernetes.SERVICE_PORT}

    def _preview(self, slot: SlotName) -> Rule:
        return {"name": f"{self._model}-{slot}", "port": kubernetes.SERVICE_PORT}

    def _write(self, rules: list[Rule]) -> None:
        """A merge patch takes the list of rules as a whole; whoever is second wins, and transactions of a model hold its lease.

        Raises NotAllowed where the cluster's Gateway API drops a field that it does not know, as it does without a word.
        """
        spec = {
            "parentRefs": [{"name": self._gateway.name, "namespace": self._gateway.namespace}],
            "hostnames": [self.host],
            "rules": rules,
        }
        self._written = rules
        custom, place = self._api.custom, (GROUP, VERSION, self._namespace, ROUTES)
        with self._api.asking(f"write HTTPRoute {self._namespace}/{self._model}"):
            if self.rules() is not None:
                found = custom.patch_namespaced_custom_object(*place, self._model, {"spec": spec}, field_manager=FIELD_MANAGER)
            else:
                labels = {kubernetes.LABEL_MODEL: self._model}
                body = {
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": "HTTPRoute",
                    "metadata": {"name": self._model, "labels": labels},
                    "spec": spec,
                }
                found = custom.create_namespaced_custom_object(*place, body, field_manager=FIELD_MANAGER)
        if not holds(rules, found["spec"]["rules"]):
            raise NotAllowed(
                f"route of {self.host}",
                expected=f"a Gateway API that keeps {rules}",
                found=f"it kept {found['spec']['rules']}",
                next_step="install its experimental channel, or a newer version, or choose another strategy (docs/strategies.md)",
            )


def _cookie(strategy: AB) -> Rule:
    return {"sessionName": strategy.name, "type": "Cookie", "cookieConfig": {"lifetimeType": "Session"}}
