"""What `team apply` would change: each chart's manifests as installed last, beside those it would install now."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from titlebout.cluster import Helm
from titlebout.spec import Record, Team, load_team
from titlebout.team.apply import prod_reader
from titlebout.team.charts import ChartRelease, mlflow_chart, registrar_chart, team_chart
from titlebout.team.namespace import is_there, namespace_of
from titlebout.team.place import Place, open_places

LOOK = ("--dry-run=server",)  # charts keep the credentials that they find
HIDDEN = "(hidden)"


class Difference(Record):
    """A unified diff of one part of one namespace; Secrets' values are hidden."""

    namespace: str
    part: str
    diff: str


def plan_team(project: Path, name: str) -> list[Difference]:
    """Only what differs; changes nothing.

    Raises, as `apply` would, NotAllowed for a namespace that is not this team's, and Busy for one that is being deleted.
    """
    team = load_team(project, name)
    places = open_places(project, name)
    for place in places:
        is_there(place)
    prod = next(place for place in places if place.environment.name == "prod")
    reader = prod_reader(prod)
    return [
        difference
        for place in places
        for difference in (_namespace(place, team), *_charts(place, team, reader if place.environment.name == "dev" else None))
        if difference.diff
    ]


def _namespace(place: Place, team: Team) -> Difference:
    wanted = namespace_of(place, team)
    found = place.api.find(place.api.core.read_namespace, place.namespace)
    before = "" if found is None else yaml.safe_dump(_as_wanted(wanted, found.metadata))
    return _difference(place, "namespace", before, yaml.safe_dump(wanted))


def _as_wanted(wanted: dict[str, Any], metadata: Any) -> dict[str, Any]:
    """Of what is there only what the team's file decides; the cluster and others put more on a namespace."""
    kept = {
        kind: {key: there[key] for key in wanted["metadata"][kind] if key in there}
        for kind, there in (("labels", metadata.labels or {}), ("annotations", metadata.annotations or {}))
    }
    return {**wanted, "metadata": {"name": metadata.name, **kept}}


def _charts(place: Place, team: Team, reader: dict[str, Any] | None) -> Iterator[Difference]:
    releases = [team_chart(place, team), mlflow_chart(place, prod_reader=reader)]
    if place.environment.serving is not None:
        releases.append(registrar_chart(place))
    for release in releases:
        yield _difference(place, release.name, _installed(place.helm, release, place.namespace), _wanted(place, release))


def _installed(helm: Helm, release: ChartRelease, namespace: str) -> str:
    status = helm.status(release.name, namespace=namespace)
    return _plain(status["manifest"]) if status else ""


def _wanted(place: Place, release: ChartRelease) -> str:
    return _plain(place.helm.template(release.name, release.chart, namespace=place.namespace, values=release.values, arguments=LOOK))


def _plain(manifests: str) -> str:
    """In an order of its own, without comments and without what is secret."""
    found = [manifest for manifest in yaml.safe_load_all(manifests) if manifest]
    for secret in (manifest for manifest in found if manifest["kind"] == "Secret"):
        for field in ("data", "stringData"):
            secret[field] = dict.fromkeys(secret.get(field) or {}, HIDDEN)
    found.sort(key=lambda manifest: (manifest["kind"], manifest["metadata"]["name"]))
    return yaml.safe_dump_all(found)


def _difference(place: Place, part: str, before: str, after: str) -> Difference:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "installed", "wanted", lineterm="", n=4)
    return Difference(namespace=place.namespace, part=part, diff="\n".join(lines))
