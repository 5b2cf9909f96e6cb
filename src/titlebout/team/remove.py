"""Remove a team's namespaces: what runs ends, and what it wrote stays.

The data is deleted only if the team's name is given twice.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

from titlebout.spec import NAME_PATTERN, NotAllowed, Progress, SpecError, object_names
from titlebout.spec.http_route import GROUP, ROUTES, VERSION
from titlebout.team.create_namespace import REMOVED, namespace_exists
from titlebout.team.team_lock import team_lock
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

LAST_RELEASES = ("registrar", "mlflow")  # removed after the slots
TEAM_CHART = "team"  # removed after all that runs: it holds the NetworkPolicies
WAIT_SECONDS = 120.0


def remove_team(
    project: Path, name: str, *, delete_data: str | None, by: str, progress: Progress
) -> list[str]:
    """Remove the team's namespaces, and return the names of those that existed.

    Raise NotAllowed if `delete_data` names another team, or a namespace is not this team's. Raise
    Busy, before anything ends, if somebody else holds the lock, or one is still being deleted.
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
            next_step="name the team whose data is to be deleted",
        )
    team_namespaces = [
        team_namespace
        for team_namespace in open_team_namespaces(project, name)
        if namespace_exists(team_namespace)
    ]
    with team_lock(team_namespaces, by=by) as lock_checks:
        for team_namespace in team_namespaces:
            lock_checks[team_namespace.namespace]()
            _end_all(team_namespace, progress)
            if delete_data is None:
                _note_removal(team_namespace)
                progress(f"{team_namespace.namespace}: its data stays")
            else:
                with team_namespace.api.asking(f"delete namespace {team_namespace.namespace}"):
                    team_namespace.api.core.delete_namespace(team_namespace.namespace)
                progress(f"{team_namespace.namespace}: deleted with its data")
    return [team_namespace.namespace for team_namespace in team_namespaces]


def _end_all(team_namespace: TeamNamespace, progress: Progress) -> None:
    """End the slots first, then the servers that they need, and what people run.

    No chart deletes the StatefulSets' claims and the Secrets that are kept.
    """
    releases = team_namespace.helm.releases(namespace=team_namespace.namespace)
    for release in [
        *(one for one in releases if one not in (*LAST_RELEASES, TEAM_CHART)),
        *(one for one in LAST_RELEASES if one in releases),
    ]:
        _end_release(team_namespace, release, progress)
    _end_unmanaged(team_namespace)
    if TEAM_CHART in releases:
        _end_release(team_namespace, TEAM_CHART, progress)


def _end_release(team_namespace: TeamNamespace, release: str, progress: Progress) -> None:
    team_namespace.helm.uninstall(
        release, namespace=team_namespace.namespace, wait_seconds=WAIT_SECONDS
    )
    progress(f"{team_namespace.namespace}: {release} ended")


def _end_unmanaged(team_namespace: TeamNamespace) -> None:
    """End what is in no chart: live Services, routes, and all that people may run.

    It ends before the NetworkPolicies go.
    """
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


def _note_removal(team_namespace: TeamNamespace) -> None:
    annotation = {REMOVED: datetime.now(UTC).isoformat(timespec="seconds")}
    with team_namespace.api.asking(f"change namespace {team_namespace.namespace}"):
        team_namespace.api.core.patch_namespace(
            team_namespace.namespace, {"metadata": {"annotations": annotation}}
        )
