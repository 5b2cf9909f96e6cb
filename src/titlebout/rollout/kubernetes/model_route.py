"""Divide a model's requests by a Gateway: read and write the model's HTTPRoute.

It is created once, and no chart owns it. It uses Gateway API v1 and nothing of one vendor's.
"""

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
# The Gateway's controller updates the status once or twice after each change of the rules.
WRITE_TRIES = 5


class ModelRoute:
    """Write the HTTPRoute `<model>`.

    It sends every request to the live Service, except while a strategy sends some to a slot.
    """

    def __init__(self, api: "Api", gateway: Gateway, *, namespace: str, model: str) -> None:
        self._api, self._gateway, self._namespace, self._model = api, gateway, namespace, model
        self._written: list[Rule] | None = None

    @property
    def host(self) -> str:
        """Return the host name of the route."""
        return f"{self._model}.{self._namespace}.{self._gateway.domain}"

    def require_gateway(self) -> None:
        """Raise NotAllowed if the cluster has no such Gateway, or none at all."""
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
                expected=f"Gateway {gateway.namespace}/{gateway.name}, "
                "which environment.yaml names",
                found="no such Gateway in the cluster",
                next_step="install it, or fix `kubernetes.gateway`; "
                "without one there are no `strategies`",
            )

    def to_live(self) -> None:
        """Send every request to the live Service, whoever wrote the route last."""
        self._written = rules = rules_to_live(self._model)
        with self._api.asking(self._action):
            if self.rules() is not None:
                patch = self._api.custom.patch_namespaced_custom_object
                patch(
                    *self._location,
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
                    *self._location, body, field_manager=FIELD_MANAGER
                )

    def give_back(self) -> None:
        """Send every request to the live Service.

        Raise RolloutError if the route is not as it was written here last.
        """
        self._replace_own(rules_to_live(self._model))

    def divide(self, slot: SlotName, *, percent: int) -> None:
        """Send so many percent of the requests to the slot's preview Service."""
        self._replace_own([{"backendRefs": self._weighted_backends(slot, percent)}])

    def groups(self, slot: SlotName, strategy: AB) -> None:
        """Divide the clients into two groups, told apart as the strategy says."""
        if strategy.by == "weight":
            self._replace_own(
                [
                    {
                        "backendRefs": self._weighted_backends(slot, strategy.percent),
                        "sessionPersistence": _cookie_persistence(strategy),
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
                {"matches": [{"headers": [match]}], "backendRefs": [self._preview_backend(slot)]},
                {"backendRefs": [self._live_backend()]},
            ]
        )

    def mirror(self, slot: SlotName, *, percent: int) -> None:
        """Send every request to the live Service, and a copy of so many percent to the slot.

        The slot's answers go nowhere.
        """
        copy = {
            "type": "RequestMirror",
            "requestMirror": {"backendRef": self._preview_backend(slot), "percent": percent},
        }
        self._replace_own([{"filters": [copy], "backendRefs": [self._live_backend()]}])

    def is_divided(self) -> bool:
        """Tell whether any request goes elsewhere than to the live Service alone."""
        rules = self.rules()
        return rules is not None and is_divided(rules, self._model)

    def require_own(self) -> None:
        """Raise RolloutError if the route is not as it was written here last.

        On-call changes it to send all traffic back to the live Service.
        """
        self._own_version()

    def rules(self) -> list[Rule] | None:
        """Return the rules as they are in the cluster; None if there is no route."""
        found = self._read()
        return None if found is None else list(found["spec"]["rules"])

    def _read(self) -> Any | None:
        return self._api.find(
            self._api.custom.get_namespaced_custom_object, *self._location, self._model
        )

    def _own_version(self) -> str:
        """Return the version under which the rules are as they were written here last.

        Raise RolloutError if they are not.
        """
        found = self._read()
        if found is None or not holds(self._written, found["spec"]["rules"]):
            raise RolloutError(
                f"route of {self.host}",
                expected="the rules that this release wrote",
                found="other rules: somebody took the traffic back",
                next_step="find out who and why: "
                f"kubectl get httproute {self._model} -n {self._namespace} "
                "-o yaml --show-managed-fields",
            )
        return str(found["metadata"]["resourceVersion"])

    @property
    def _location(self) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self._namespace, ROUTES

    @property
    def _action(self) -> str:
        return f"write HTTPRoute {self._namespace}/{self._model}"

    def _spec(self, rules: list[Rule]) -> dict[str, Any]:
        parent = {"name": self._gateway.name, "namespace": self._gateway.namespace}
        return {"parentRefs": [parent], "hostnames": [self.host], "rules": rules}

    def _weighted_backends(self, slot: SlotName, percent: int) -> list[Rule]:
        return [
            {**self._live_backend(), "weight": 100 - percent},
            {**self._preview_backend(slot), "weight": percent},
        ]

    def _live_backend(self) -> Rule:
        return {"name": self._model, "port": object_names.SERVICE_PORT}

    def _preview_backend(self, slot: SlotName) -> Rule:
        return {"name": f"{self._model}-{slot}", "port": object_names.SERVICE_PORT}

    def _replace_own(self, rules: list[Rule]) -> None:
        """Replace the list of rules as a whole, under the version that was seen.

        So nobody else's rules are overwritten. The Gateway writes its status into the route. So a
        version may pass without any change of the rules: then it is read again.

        Raise RolloutError if somebody changed the rules. Raise NotAllowed if the cluster's Gateway
        API silently drops a field that it does not know.
        """
        patch = self._api.custom.patch_namespaced_custom_object
        for _ in range(WRITE_TRIES):
            body = {"metadata": {"resourceVersion": self._own_version()}, "spec": self._spec(rules)}
            found = self._api.written_unless_changed(
                self._action, patch, *self._location, self._model, body, field_manager=FIELD_MANAGER
            )
            if found is not None:
                self._written = rules
                self._require_rules_kept(rules, found["spec"]["rules"])
                return
        raise RolloutError(
            f"route of {self.host}",
            expected=f"one update without a conflict in {WRITE_TRIES} tries",
            found="another client changed it before each of them",
            next_step="find that client: "
            f"kubectl get httproute {self._model} -n {self._namespace} "
            "-o yaml --show-managed-fields",
        )

    def _require_rules_kept(self, rules: list[Rule], found: list[Rule]) -> None:
        if not holds(rules, found):
            raise NotAllowed(
                f"route of {self.host}",
                expected=f"a Gateway API that keeps {rules}",
                found=f"it kept {found}",
                next_step="install its experimental channel, or a newer version, "
                "or choose another strategy (docs/strategies.md)",
            )


def _cookie_persistence(strategy: AB) -> Rule:
    return {
        "sessionName": strategy.name,
        "type": "Cookie",
        "cookieConfig": {"lifetimeType": "Session"},
    }
