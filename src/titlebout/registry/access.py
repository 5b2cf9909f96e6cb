"""Give users accounts and roles on an MLflow server, as the environment declares them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from titlebout.registry.connection import Connection, connection
from titlebout.registry.credentials import ADMIN, RELEASER, ensure_accounts, users_of
from titlebout.spec import Environment, Progress, Right

WORKSPACE = "default"  # the only one: environments have servers of their own
ANY = "*"

Grant = tuple[str, str]  # kind of object, permission; holds for every object of the kind
RELEASER_GRANTS: frozenset[Grant] = frozenset(
    {("workspace", "USE"), ("experiment", "EDIT"), ("registered_model", "EDIT")}
)
PERMISSION: dict[Right, str] = {"read": "READ", "edit": "EDIT"}


def prepare_access(
    project: Path, environments: Sequence[Environment], *, progress: Progress
) -> None:
    """Make the accounts and rights that each environment declares, and remove all others.

    All servers are worked on at once. Idempotent. Raise RegistryError if a server is away or was
    made with other credentials.
    """

    def prepare(environment: Environment) -> None:
        accounts = ensure_accounts(project, environment)
        passwords = {user: accounts[user] for user in users_of(environment)}
        bring_accounts(
            connection(project, environment, ADMIN), environment.access, passwords=passwords
        )
        progress(f"{environment.name}: accounts {', '.join(passwords)}")

    with ThreadPoolExecutor() as servers:
        list(servers.map(prepare, environments))


def bring_accounts(
    admin: Connection, access: Mapping[str, Right], *, passwords: Mapping[str, str]
) -> None:
    """Give the server exactly these users, with these passwords and the rights of `access`.

    A user who is not named is removed.
    """
    server = _AccountApi(admin)
    for undeclared in server.users() - passwords.keys() - {ADMIN}:
        server.remove_user(undeclared)
    for user, password in passwords.items():
        if user != ADMIN:
            server.ensure_user(user, password)
            server.ensure_role(user, grants_of(access, user))


def grants_of(access: Mapping[str, Right], user: str) -> frozenset[Grant]:
    """Return the grants of a user's role.

    `workspace USE` is the right to create experiments and registered models. Whoever creates one
    manages it, its aliases included.
    """
    if user == RELEASER:
        return RELEASER_GRANTS
    return frozenset({("experiment", PERMISSION[access[user]]), ("registered_model", "READ")})


class _AccountApi:
    """Read and write accounts and roles through REST.

    MLflow's Python client for them imports the whole server, which takes 5 s.
    """

    def __init__(self, admin: Connection) -> None:
        self._admin = admin

    def users(self) -> set[str]:
        """Return the names of all users."""
        return {user["username"] for user in (self._get("2.0/mlflow/users/list") or {})["users"]}

    def ensure_user(self, user: str, password: str) -> None:
        """Make the account, or give it this password if it has another."""
        if self._get("2.0/mlflow/users/get", username=user) is None:
            self._send("POST", "2.0/mlflow/users/create", username=user, password=password)
        elif not self._admin.model_copy(update={"user": user, "password": password}).is_accepted():
            self._send(
                "PATCH", "2.0/mlflow/users/update-password", username=user, password=password
            )

    def remove_user(self, user: str) -> None:
        """Delete the account."""
        self._send("DELETE", "2.0/mlflow/users/delete", username=user)

    def ensure_role(self, user: str, grants: frozenset[Grant]) -> None:
        """Give the user a role of the user's name, with exactly these grants."""
        role = self._role(user)
        held = {(p["resource_type"], p["permission"]): p for p in role.get("permissions") or ()}
        for grant in held.keys() - grants:
            self._send(
                "DELETE",
                "3.0/mlflow/roles/permissions/remove",
                role_permission_id=held[grant]["id"],
            )
        for kind, permission in sorted(grants - held.keys()):
            self._send(
                "POST",
                "3.0/mlflow/roles/permissions/add",
                role_id=role["id"],
                resource_type=kind,
                resource_pattern=ANY,
                permission=permission,
            )
        holders = (self._get("3.0/mlflow/roles/users/list", role_id=role["id"]) or {})[
            "assignments"
        ]
        if not holders:
            self._send("POST", "3.0/mlflow/roles/assign", role_id=role["id"], username=user)

    def _role(self, name: str) -> dict[str, Any]:
        roles = (self._get("3.0/mlflow/roles/list", workspace=WORKSPACE) or {})["roles"]
        found = next((role for role in roles if role["name"] == name), None)
        return dict(
            found
            or self._send("POST", "3.0/mlflow/roles/create", name=name, workspace=WORKSPACE)["role"]
        )

    def _get(self, path: str, **query: Any) -> Any | None:
        """Return the answer, or None if nothing is found."""
        return self._admin.rest("GET", f"{path}?{urlencode(query)}")

    def _send(self, method: str, path: str, **body: Any) -> Any:
        return self._admin.rest(method, path, body)
