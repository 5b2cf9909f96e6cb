"""Compare what `team apply` would install with what is installed, manifest by manifest."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from titlebout.cluster import Helm
from titlebout.spec import Record, Team, load_team
from titlebout.team.apply import prod_reader
from titlebout.team.charts import ChartRelease, mlflow_chart, registrar_chart, team_chart
from titlebout.team.create_namespace import namespace_exists, namespace_of
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

DRY_RUN = ("--dry-run=server",)  # charts keep the credentials that they find
HIDDEN = "(hidden)"


class Difference(Record):
    """Hold a unified diff of one part of one namespace; Secrets' values are hidden."""

    namespace: str
    part: str
    diff: str


def plan_team(project: Path, name: str) -> list[Difference]:
    """Return only what differs; change nothing.

    Raise, as `apply` would, NotAllowed for a namespace that is not this team's, and Busy for one
    that is being deleted.
    """
    team = load_team(project, name)
    team_namespaces = open_team_namespaces(project, name)
    for team_namespace in team_namespaces:
        namespace_exists(team_namespace)
    prod = next(
        team_namespace
        for team_namespace in team_namespaces
        if team_namespace.environment.name == "prod"
    )
    reader = prod_reader(prod)
    return [
        difference
        for team_namespace in team_namespaces
        for difference in (
            _namespace_difference(team_namespace, team),
            *_chart_differences(
                team_namespace, team, reader if team_namespace.environment.name == "dev" else None
            ),
        )
        if difference.diff
    ]


def _namespace_difference(team_namespace: TeamNamespace, team: Team) -> Difference:
    wanted = namespace_of(team_namespace, team)
    found = team_namespace.api.find(
        team_namespace.api.core.read_namespace, team_namespace.namespace
    )
    before = "" if found is None else yaml.safe_dump(_existing_namespace(wanted, found.metadata))
    return _difference(team_namespace, "namespace", before, yaml.safe_dump(wanted))


def _existing_namespace(wanted: dict[str, Any], metadata: Any) -> dict[str, Any]:
    """Return the namespace as it is, with only those labels and annotations that are wanted.

    The cluster and others put more on a namespace.
    """
    kept = {
        kind: {key: existing[key] for key in wanted["metadata"][kind] if key in existing}
        for kind, existing in (
            ("labels", metadata.labels or {}),
            ("annotations", metadata.annotations or {}),
        )
    }
    return {**wanted, "metadata": {"name": metadata.name, **kept}}


def _chart_differences(
    team_namespace: TeamNamespace, team: Team, reader: dict[str, Any] | None
) -> Iterator[Difference]:
    releases = [team_chart(team_namespace, team), mlflow_chart(team_namespace, prod_reader=reader)]
    if team_namespace.environment.serving is not None:
        releases.append(registrar_chart(team_namespace))
    for release in releases:
        yield _difference(
            team_namespace,
            release.name,
            _installed_manifests(team_namespace.helm, release, team_namespace.namespace),
            _wanted_manifests(team_namespace, release),
        )


def _installed_manifests(helm: Helm, release: ChartRelease, namespace: str) -> str:
    status = helm.status(release.name, namespace=namespace)
    return _normalized(status["manifest"]) if status else ""


def _wanted_manifests(team_namespace: TeamNamespace, release: ChartRelease) -> str:
    return _normalized(
        team_namespace.helm.template(
            release.name,
            release.chart,
            namespace=team_namespace.namespace,
            values=release.values,
            arguments=DRY_RUN,
        )
    )


def _normalized(manifests: str) -> str:
    """Return the manifests in a fixed order, without comments and without what is secret."""
    found = [manifest for manifest in yaml.safe_load_all(manifests) if manifest]
    for secret in (manifest for manifest in found if manifest["kind"] == "Secret"):
        for field in ("data", "stringData"):
            secret[field] = dict.fromkeys(secret.get(field) or {}, HIDDEN)
    found.sort(key=lambda manifest: (manifest["kind"], manifest["metadata"]["name"]))
    return yaml.safe_dump_all(found)


def _difference(team_namespace: TeamNamespace, part: str, before: str, after: str) -> Difference:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "installed", "wanted", lineterm="", n=4
    )
    return Difference(namespace=team_namespace.namespace, part=part, diff="\n".join(lines))
