"""Give a team's namespaces up: what runs ends, what it wrote stays, unless the team's name is said twice."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from titlebout.spec import NotAllowed, SpecError
from titlebout.spec import kubernetes as names
from titlebout.spec.route import GROUP, ROUTES, VERSION
from titlebout.spec.team import NAME
from titlebout.team.alone import alone
from titlebout.team.namespace import REMOVED, is_there
from titlebout.team.place import Place, open_places

LAST, WALLS = ("registrar", "mlflow"), "team"  # after the slots, and after all that runs
WAIT_SECONDS = 120.0
Say = Callable[[str], None]


def remove_team(project: Path, name: str, *, delete_data: str | None, by: str, progress: Say) -> list[str]:
    """The namespaces that there were; raises NotAllowed if `delete_data` names another team, or a namespace is not this team's.

    Raises Busy, before anything ends, if somebody else is at one of them, or one is still being deleted.
    """
    if not re.match(NAME, name):
        raise SpecError(name, expected="a team's name", found="no such name", next_step="check the spelling")
    if delete_data not in (None, name):
        raise NotAllowed(
            f"data of team {name}",
            expected=f"--delete-data {name}, the same name once more",
            found=f"--delete-data {delete_data}",
            next_step="say whose data is to go for ever",
        )
    places = [place for place in open_places(project, name) if is_there(place)]
    with alone(places, by=by) as ours:
        for place in places:
            ours[place.namespace]()
            _end(place, progress)
            if delete_data is None:
                _note(place)
                progress(f"{place.namespace}: its data stays")
            else:
                with place.api.asking(f"delete namespace {place.namespace}"):
                    place.api.core.delete_namespace(place.namespace)
                progress(f"{place.namespace}: deleted with its data")
    return [place.namespace for place in places]


def _end(place: Place, progress: Say) -> None:
    """Slots first, then what they stand on and what people run; the StatefulSets' claims and the kept Secrets are in no chart's hand."""
    releases = place.helm.releases(namespace=place.namespace)
    for release in [*(one for one in releases if one not in (*LAST, WALLS)), *(one for one in LAST if one in releases)]:
        _end_release(place, release, progress)
    _end_the_rest(place)
    if WALLS in releases:
        _end_release(place, WALLS, progress)


def _end_release(place: Place, release: str, progress: Say) -> None:
    place.helm.uninstall(release, namespace=place.namespace, wait_seconds=WAIT_SECONDS)
    progress(f"{place.namespace}: {release} ended")


def _end_the_rest(place: Place) -> None:
    """What is in no chart: live Services, routes, and all that people may run. Nothing goes on without walls."""
    with place.api.asking(f"delete what runs in {place.namespace}"):
        live = place.api.core.list_namespaced_service(place.namespace, label_selector=f"{names.LABEL_LIVE}=true").items
        for service in live:
            place.api.core.delete_namespaced_service(service.metadata.name, place.namespace)
        if place.api.serves(GROUP):
            place.api.custom.delete_collection_namespaced_custom_object(
                GROUP, VERSION, place.namespace, ROUTES, label_selector=names.LABEL_MODEL
            )
        for delete in (
            place.api.batch.delete_collection_namespaced_cron_job,
            place.api.batch.delete_collection_namespaced_job,
            place.api.apps.delete_collection_namespaced_deployment,
            place.api.core.delete_collection_namespaced_pod,
        ):
            delete(place.namespace, propagation_policy="Background")


def _note(place: Place) -> None:
    annotation = {REMOVED: datetime.now(UTC).isoformat(timespec="seconds")}
    with place.api.asking(f"change namespace {place.namespace}"):
        place.api.core.patch_namespace(place.namespace, {"metadata": {"annotations": annotation}})
