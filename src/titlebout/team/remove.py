"""Give a team's namespaces up: what runs ends, what it wrote stays, unless the team's name is said twice."""

import re
from datetime import UTC, datetime
from pathlib import Path

from titlebout.spec import NAME_PATTERN, NotAllowed, Progress, SpecError, object_names
from titlebout.spec.http_route import GROUP, ROUTES, VERSION
from titlebout.team.bring_namespace import REMOVED, is_there
from titlebout.team.team_lock import team_lock
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

LAST, WALLS = ("registrar", "mlflow"), "team"  # after the slots, and after all that runs
WAIT_SECONDS = 120.0


def remove_team(
    project: Path, name: str, *, delete_data: str | None, by: str, progress: Progress
) -> list[str]:
    """The namespaces that there were; raises NotAllowed if `delete_data` names another team, or a namespace is not this team's.

    Raises Busy, before anything ends, if somebody else is at one of them, or one is still being deleted.
    """
    if not re.match(NAME_PATTERN, name):
        raise SpecError(
            name, expected="a team's name", found="no such name", next_step="check the spelling"
        )
    if delete_data not in (None, name):
        raise NotAllowed(
            f"data of team {name}",
            expected=f"--delete-data {name}, the same name once more",
            found=f"--delete-data {delete_data}",
            next_step="say whose data is to go for ever",
        )
    team_namespaces = [
        team_namespace
        for team_namespace in open_team_namespaces(project, name)
        if is_there(team_namespace)
    ]
    with team_lock(team_namespaces, by=by) as ours:
        for team_namespace in team_namespaces:
            ours[team_namespace.namespace]()
            _end(team_namespace, progress)
            if delete_data is None:
                _note(team_namespace)
                progress(f"{team_namespace.namespace}: its data stays")
            else:
                with team_namespace.api.asking(f"delete namespace {team_namespace.namespace}"):
                    team_namespace.api.core.delete_namespace(team_namespace.namespace)
                progress(f"{team_namespace.namespace}: deleted with its data")
    return [team_namespace.namespace for team_namespace in team_namespaces]


def _end(team_namespace: TeamNamespace, progress: Progress) -> None:
    """Slots first, then what they stand on and what people run; the StatefulSets' claims and the kept Secrets are in no chart's hand."""
    releases = team_namespace.helm.releases(namespace=team_namespace.namespace)
    for release in [
        *(one for one in releases if one not in (*LAST, WALLS)),
        *(one for one in LAST if one in releases),
    ]:
        _end_release(team_namespace, release, progress)
    _end_the_rest(team_namespace)
    if WALLS in releases:
        _end_release(team_namespace, WALLS, progress)


def _end_release(team_namespace: TeamNamespace, release: str, progress: Progress) -> None:
    team_namespace.helm.uninstall(
        release, namespace=team_namespace.namespace, wait_seconds=WAIT_SECONDS
    )
    progress(f"{team_namespace.namespace}: {release} ended")


def _end_the_rest(team_namespace: TeamNamespace) -> None:
    """What is in no chart: live Services, routes, and all that people may run. Nothing goes on without walls."""
    with team_namespace.api.asking(f"delete what runs in {team_namespace.namespace}"):
        live = team_namespace.api.core.list_namespaced_service(
            team_namespace.namespace, label_selector=f"{object_names.LABEL_LIVE}=true"
        ).items
        for service in live:
            team_namespace.api.core.delete_namespaced_service(
                service.metadata.name, team_namespace.namespace
            )
        if team_namespace.api.serves(GROUP):
            team_namespace.api.custom.delete_collection_namespaced_custom_object(
                GROUP,
                VERSION,
                team_namespace.namespace,
                ROUTES,
                label_selector=object_names.LABEL_MODEL,
            )
        for delete in (
            team_namespace.api.batch.delete_collection_namespaced_cron_job,
            team_namespace.api.batch.delete_collection_namespaced_job,
            team_namespace.api.apps.delete_collection_namespaced_deployment,
            team_namespace.api.core.delete_collection_namespaced_pod,
        ):
            delete(team_namespace.namespace, propagation_policy="Background")


def _note(team_namespace: TeamNamespace) -> None:
    annotation = {REMOVED: datetime.now(UTC).isoformat(timespec="seconds")}
    with team_namespace.api.asking(f"change namespace {team_namespace.namespace}"):
        team_namespace.api.core.patch_namespace(
            team_namespace.namespace, {"metadata": {"annotations": annotation}}
        )
