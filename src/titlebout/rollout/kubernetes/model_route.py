"""How a Gateway divides a model's requests: its HTTPRoute, made once, in no chart; Gateway API v1 and nothing of one vendor's."""

from typing import TYPE_CHECKING, Any

from titlebout.spec import AB, Gateway, NotAllowed, RolloutError, SlotName, object_names
from titlebout.spec.http_route import (
    GATEWAYS,
    GROUP,
    ROUTES,
    VERSION,
    Rule,
    holds,
    is_divided,
    rules_to_live,
)

if TYPE_CHECKING:
    from titlebout.cluster import Api

FIELD_MANAGER = "titlebout"
WRITE_TRIES = (
    5  # the Gateway's controller updates the status once or twice after each change of the rules
)


class ModelRoute:
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
        found = self._api.find(
            self._api.custom.get_namespaced_custom_object,
            GROUP,
            VERSION,
            gateway.namespace,
            GATEWAYS,
            gateway.name,
        )
        if found is None:
            raise NotAllowed(
                f"route of {self._model} in {self._namespace}",
                expected=f"Gateway {gateway.namespace}/{gateway.name}, which environment.yaml names",
                found="no such Gateway in the cluster",
                next_step="install it, or mend `kubernetes.gateway`; without one there are no `strategies`",
            )

    def to_live(self) -> None:
        """Everything to the live Service, whoever wrote the route last."""
        self._written = rules = rules_to_live(self._model)
        with self._api.asking(self._writing):
            if self.rules() is not None:
                patch = self._api.custom.patch_namespaced_custom_object
                patch(
                    *self._place,
                    self._model,
                    {"spec": self._spec(rules)},
                    field_manager=FIELD_MANAGER,
                )
            else:
                body = {
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": "HTTPRoute",
                    "metadata": {
                        "name": self._model,
                        "labels": {object_names.LABEL_MODEL: self._model},
                    },
                    "spec": self._spec(rules),
                }
                self._api.custom.create_namespaced_custom_object(
                    *self._place, body, field_manager=FIELD_MANAGER
                )

    def give_back(self) -> None:
        """Everything to the live Service; raises RolloutError if the route is not as it was written here last."""
        self._replace_own(rules_to_live(self._model))

    def divide(self, slot: SlotName, *, percent: int) -> None:
        """So many of a hundred requests to the slot's preview Service."""
        self._replace_own([{"backendRefs": self._divided(slot, percent)}])

    def groups(self, slot: SlotName, strategy: AB) -> None:
        """Two groups of clients, told apart as the strategy says."""
        if strategy.by == "weight":
            self._replace_own(
                [
                    {
                        "backendRefs": self._divided(slot, strategy.percent),
                        "sessionPersistence": _cookie(strategy),
                    }
                ]
            )
            return
        name, pattern = (
            ("cookie", rf"(^|.*;\s*){strategy.name}={strategy.value}(;.*|$)")
            if strategy.by == "cookie"
            else (strategy.name, "")
        )
        match = (
            {"name": name, "type": "RegularExpression", "value": pattern}
            if pattern
            else {"name": name, "value": strategy.value}
        )
        self._replace_own(
            [
                {"matches": [{"headers": [match]}], "backendRefs": [self._preview(slot)]},
                {"backendRefs": [self._live()]},
            ]
        )

    def mirror(self, slot: SlotName, *, percent: int) -> None:
        """Everything to the live Service, and a copy of so many of a hundred requests to the slot, whose answers go nowhere."""
        copy = {
            "type": "RequestMirror",
            "requestMirror": {"backendRef": self._preview(slot), "percent": percent},
        }
        self._replace_own([{"filters": [copy], "backendRefs": [self._live()]}])

    def is_divided(self) -> bool:
        """Whether any request goes elsewhere than to the live Service alone."""
        rules = self.rules()
        return rules is not None and is_divided(rules, self._model)

    def require_own(self) -> None:
        """Raises RolloutError if the route is not as it was written here last: on-call takes the traffic back so."""
        self._own_version()

    def rules(self) -> list[Rule] | None:
        """As they stand; None if there is no route."""
        found = self._read()
        return None if found is None else list(found["spec"]["rules"])

    def _read(self) -> Any | None:
        return self._api.find(
            self._api.custom.get_namespaced_custom_object, *self._place, self._model
        )

    def _own_version(self) -> str:
        """Under which the rules are as they were written here last; raises RolloutError if they are not."""
        found = self._read()
        if found is None or not holds(self._written, found["spec"]["rules"]):
            raise RolloutError(
                f"route of {self.host}",
                expected="the rules that this release wrote",
                found="others: somebody took the traffic back",
                next_step=f"kubectl get httproute {self._model} -n {self._namespace} -o yaml --show-managed-fields tells who; ask why",
            )
        return str(found["metadata"]["resourceVersion"])

    @property
    def _place(self) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self._namespace, ROUTES

    @property
    def _writing(self) -> str:
        return f"write HTTPRoute {self._namespace}/{self._model}"

    def _spec(self, rules: list[Rule]) -> dict[str, Any]:
        parent = {"name": self._gateway.name, "namespace": self._gateway.namespace}
        return {"parentRefs": [parent], "hostnames": [self.host], "rules": rules}

    def _divided(self, slot: SlotName, percent: int) -> list[Rule]:
        return [
            {**self._live(), "weight": 100 - percent},
            {**self._preview(slot), "weight": percent},
        ]

    def _live(self) -> Rule:
        return {"name": self._model, "port": object_names.SERVICE_PORT}

    def _preview(self, slot: SlotName) -> Rule:
        return {"name": f"{self._model}-{slot}", "port": object_names.SERVICE_PORT}

    def _replace_own(self, rules: list[Rule]) -> None:
        """A merge patch takes the list of rules as a whole, under the version that was seen: nobody else's are overwritten.

        The Gateway writes its status into the route, so a version may pass without anybody having touched the rules: then it is read again.
        Raises RolloutError if somebody took the traffic back, NotAllowed where the cluster's Gateway API drops a field that it does not
        know, as it does without a word.
        """
        patch = self._api.custom.patch_namespaced_custom_object
        for _ in range(WRITE_TRIES):
            body = {"metadata": {"resourceVersion": self._own_version()}, "spec": self._spec(rules)}
            found = self._api.written_unless_changed(
                self._writing, patch, *self._place, self._model, body, field_manager=FIELD_MANAGER
            )
            if found is not None:
                self._written = rules
                self._require_kept(rules, found["spec"]["rules"])
                return
        raise RolloutError(
            f"route of {self.host}",
            expected=f"one update to hold in {WRITE_TRIES} tries",
            found="somebody changes it all the time",
            next_step=f"kubectl get httproute {self._model} -n {self._namespace} -o yaml --show-managed-fields tells who",
        )

    def _require_kept(self, rules: list[Rule], found: list[Rule]) -> None:
        if not holds(rules, found):
            raise NotAllowed(
                f"route of {self.host}",
                expected=f"a Gateway API that keeps {rules}",
                found=f"it kept {found}",
                next_step="install its experimental channel, or a newer version, or choose another strategy (docs/strategies.md)",
            )


def _cookie(strategy: AB) -> Rule:
    return {
        "sessionName": strategy.name,
        "type": "Cookie",
        "cookieConfig": {"lifetimeType": "Session"},
    }
