"""`kubectl titlebout rollback|status|history MODEL -n NAMESPACE`: what on-call needs at 3 a.m., by kubectl and its user's rights alone.

rollback asks nobody but the API server: MLflow, the database and the registrar may be down.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import quote

from titlebout.cluster import annotations_of, program_path
from titlebout.spec import (
    SLOT_NAMES,
    ClusterError,
    NotAllowed,
    SlotName,
    SpecError,
    TitleboutError,
    object_names,
    other_than,
)
from titlebout.spec.http_route import GROUP, ROUTES, VERSION, Rule, is_divided, rules_to_live

Json = dict[str, Any]
NOT_FOUND = "(NotFound)"  # as kubectl says it, of an object and of an API group alike
BAD_REQUEST, CONFLICT = "(BadRequest)", "(Conflict)"
REFUSED = ("(Forbidden)", "(Unauthorized)")  # by the API server, on the way to the registrar
TAKEN_BACK = "all of {}'s requests go to what is live again: a strategy had divided them"


def main() -> None:
    arguments = _arguments()
    try:
        for line in COMMANDS[arguments.command](arguments):
            print(line, flush=True)
    except TitleboutError as error:
        sys.exit(f"error: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kubectl titlebout",
        description="Roll back a model, or see what is served and was served.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.__doc__)
        one.add_argument("model")
        one.add_argument("-n", "--namespace", required=True)
        one.add_argument("--context", help="of the kubeconfig; absent: its current one")
        if name == "history":
            one.add_argument("--at", help="a time in ISO 8601, UTC: only what served then")
    return parser.parse_args()


def rollback(arguments: argparse.Namespace) -> Iterator[str]:
    """send the traffic back to the release before"""
    try:
        said = _switch_back_or_again(arguments)
    except (
        NotAllowed
    ):  # under a canary there is no release to go back to, but there are requests to take back
        if not _take_back(arguments):
            raise
        yield TAKEN_BACK.format(arguments.model)
        return
    yield said  # before anything else is asked: it has happened
    if _take_back(arguments):
        yield TAKEN_BACK.format(arguments.model)


def _switch_back_or_again(arguments: argparse.Namespace) -> str:
    """A second look, once, if somebody wrote to the Service since the first: a release that settled in that second."""
    try:
        return _switch_back(arguments)
    except ClusterError as error:
        if CONFLICT not in error.found:
            raise
    return _switch_back(arguments)


def _switch_back(arguments: argparse.Namespace) -> str:
    service, deployments = _look(arguments)
    told, slot = _told(service), _slot(service)
    target = _target(arguments, told, slot)
    if target is None:
        return f"{arguments.model} is rolled back already: slot {slot} has the traffic"
    wanted = _wanted(told, slot)
    _require_serving(
        arguments,
        wanted,
        target,
        switchable=target in _switchable(service),
        deployment=deployments.get(target),
    )
    patch = {
        "metadata": {"resourceVersion": service["metadata"]["resourceVersion"]},
        "spec": {"selector": {object_names.LABEL_SLOT: target}},
    }
    _kubectl(arguments, "patch", "service", arguments.model, "--patch", json.dumps(patch))
    return f"{arguments.model} rolled back: slot {target}, release {wanted[:12]}, has the traffic; ledger and alias follow"


def status(arguments: argparse.Namespace) -> Iterator[str]:
    """what is live, and where one can roll back to"""
    service, deployments = _look(arguments)
    live = _slot(service)
    yield f"{arguments.model} in {arguments.namespace}"
    for slot in SLOT_NAMES:
        deployment = deployments.get(slot)
        words = (
            "live"
            if slot == live
            else "switchable"
            if slot in _switchable(service)
            else "not switchable"
        )
        release = (
            annotations_of(deployment).get(object_names.ANNOTATION_RELEASE, "none")[:12]
            if deployment
            else "empty"
        )
        yield f"  {slot:<6} {words:<15} release {release:<13} {_ready(deployment)} ready"
    yield from _route_words(arguments)
    yield f"  {_registrar_words(arguments, live)}"


def history(arguments: argparse.Namespace) -> Iterator[str]:
    """every release and rollback, from the ledger"""
    query = f"?at={quote(arguments.at)}" if arguments.at else ""
    try:
        entries = _ask_registrar(arguments, f"history/{arguments.model}{query}")
    except ClusterError as error:
        if any(refused in error.found for refused in REFUSED):
            raise
        raise _no_history(arguments, error) from error
    for e in entries:
        yield f"{e['sequence']:>4}  {e['time'][:19]}Z  {e['kind']:<11} {e['to_release'][:12]}  by {e['by']}: {e['reason']}"


def _no_history(arguments: argparse.Namespace, error: ClusterError) -> TitleboutError:
    """Away is what does not answer, or answers that it cannot; a question that it refuses it would refuse again."""
    subject = f"history of {arguments.model}"
    if BAD_REQUEST in error.found:
        found = error.found.rstrip(".")
        return SpecError(
            subject,
            expected="a question that the registrar understands",
            found=found,
            next_step="mend --at",
        )
    return ClusterError(
        subject,
        expected="the registrar's answer",
        found=f"the registrar is away: {error}",
        next_step="`kubectl titlebout status` and `rollback` work without it; the ledger follows when it is back",
    )


COMMANDS = {"rollback": rollback, "status": status, "history": history}


def _route_words(arguments: argparse.Namespace) -> Iterator[str]:
    """Nothing where all requests go to what is live."""
    try:
        if is_divided(_rules(arguments), arguments.model):
            again = f"kubectl titlebout rollback {arguments.model} -n {arguments.namespace}"
            yield f"  a strategy divides the requests: `{again}` takes them back"
    except ClusterError as error:
        yield f"  whether a strategy divides the requests cannot be seen: {error.found}"


def _registrar_words(arguments: argparse.Namespace, slot: str) -> str:
    """Whether ledger and alias tell of the slot that is live."""
    try:
        said = _ask_registrar(arguments, "status")
    except ClusterError:
        return "the registrar does not answer; ledger and alias follow when it is back"
    seen, troubles = said["live"].get(arguments.model), said["problems"]
    if seen and seen["slot"] == slot and not seen["behind"]:
        return "ledger and alias have followed"
    subjects = (f"{what} {arguments.model}" for what in ("Service", "ledger of", "alias of"))
    about = next(
        (troubles[subject] for subject in subjects if subject in troubles), "the registrar is at it"
    )
    return f"ledger and alias are behind: {about}"


def _ask_registrar(arguments: argparse.Namespace, path: str) -> Any:
    """Its answer, through the API server; raises ClusterError if there is none."""
    service = f"{object_names.REGISTRAR_SERVICE}:{object_names.REGISTRAR_PORT}"
    said = _kubectl(
        arguments,
        "get",
        "--raw",
        f"/api/v1/namespaces/{arguments.namespace}/services/{service}/proxy/{path}",
    )
    try:
        return json.loads(said)
    except ValueError as error:
        raise ClusterError(
            "registrar",
            expected="JSON",
            found=said[:80],
            next_step="kubectl logs deployment/registrar",
        ) from error


def _take_back(arguments: argparse.Namespace) -> bool:
    """All of the Gateway's requests to what is live; whether a strategy had divided them."""
    patch = json.dumps({"spec": {"rules": rules_to_live(arguments.model)}})
    try:
        if not is_divided(_rules(arguments), arguments.model):
            return False
        _kubectl(
            arguments,
            "patch",
            f"{ROUTES}.{VERSION}.{GROUP}",
            arguments.model,
            "--type",
            "merge",
            "--patch",
            patch,
        )
    except ClusterError as error:
        raise ClusterError(
            f"HTTPRoute {arguments.namespace}/{arguments.model}",
            expected="to take back what a strategy may have given to a slot under test",
            found=error.found,
            next_step="if a strategy was running, let somebody with rights on HTTPRoutes do it (docs/rollback.md)",
        ) from error
    return True


def _rules(arguments: argparse.Namespace) -> list[Rule]:
    """The route's; where there is none, as for most models, those of a route that sends everything to what is live."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{arguments.namespace}/{ROUTES}/{arguments.model}"
    try:
        return list(json.loads(_kubectl(arguments, "get", "--raw", path))["spec"]["rules"])
    except ClusterError as error:
        if NOT_FOUND in str(error):
            return rules_to_live(arguments.model)
        raise


def _target(arguments: argparse.Namespace, told: Json, slot: SlotName) -> str | None:
    """The slot to go to; None if the traffic is back already. A rollback never goes forth again to what was rolled back."""
    moved_since = told["slot"] != slot
    if told["kind"] == "switched":
        if moved_since:
            return None
        if told["from_release"] is None:
            raise _nothing(arguments, found="the first release is live")
        return other_than(slot)
    return str(told["slot"]) if moved_since else None


def _wanted(told: Json, slot: str) -> str:
    """What the traffic goes back to: what was live before the switch, or what an earlier rollback went to."""
    return str(told["from_release"] if told["slot"] == slot else told["release"])


def _require_serving(
    arguments: argparse.Namespace,
    wanted: str,
    target: str,
    *,
    switchable: bool,
    deployment: Json | None,
) -> None:
    if not switchable:
        raise _nothing(
            arguments, found=f"slot {target} is under test for a next release: it is not switchable"
        )
    found = annotations_of(deployment).get(object_names.ANNOTATION_RELEASE) if deployment else None
    if found != wanted:
        raise _nothing(
            arguments,
            found=f"slot {target} holds {found[:12] if found else 'nothing'}, not {wanted[:12]}",
        )
    if _ready(deployment) == 0:
        raise _nothing(arguments, found=f"no pod of slot {target} is ready")


def _nothing(arguments: argparse.Namespace, *, found: str) -> NotAllowed:
    return NotAllowed(
        f"rollback of {arguments.model} in {arguments.namespace}",
        expected="a release to roll back to in the other slot",
        found=found,
        next_step=f"kubectl titlebout status {arguments.model} -n {arguments.namespace}",
    )


def _look(arguments: argparse.Namespace) -> tuple[Json, dict[str, Json]]:
    """The live Service, and the slots' Deployments by slot: one call, since every call costs on-call a moment."""
    names = {f"{arguments.model}-{slot}": slot for slot in SLOT_NAMES}
    wanted = (f"service/{arguments.model}", *(f"deployment/{name}" for name in names))
    said = _kubectl(arguments, "get", *wanted, "--output", "json", "--ignore-not-found")
    found = json.loads(said)["items"] if said.strip() else []
    services = [
        one
        for one in found
        if one["kind"] == "Service"
        and (one["metadata"].get("labels") or {}).get(object_names.LABEL_LIVE) == "true"
    ]
    if not services:
        raise _nothing(arguments, found="no live Service of that name")
    return services[0], {
        names[one["metadata"]["name"]]: one for one in found if one["kind"] == "Deployment"
    }


def _told(service: Json) -> Json:
    try:
        told = json.loads(annotations_of(service)[object_names.ANNOTATION_CHANGE])
        return {name: told[name] for name in ("slot", "release", "from_release", "kind")}
    except (KeyError, ValueError, TypeError) as error:
        raise NotAllowed(
            f"Service {service['metadata']['name']}",
            expected=f"the annotation {object_names.ANNOTATION_CHANGE} of the last release",
            found="none that can be read",
            next_step="see what is where with `kubectl titlebout status`, then use the kubectl patch of docs/rollback.md",
        ) from error


def _slot(service: Json) -> SlotName:
    return cast(SlotName, service["spec"]["selector"][object_names.LABEL_SLOT])


def _switchable(service: Json) -> list[str]:
    return annotations_of(service).get(object_names.ANNOTATION_SWITCHABLE, "").split(",")


def _ready(deployment: Json | None) -> int:
    return int(deployment["status"].get("readyReplicas") or 0) if deployment else 0


def _kubectl(arguments: argparse.Namespace, *command: str) -> str:
    where = ["--namespace", arguments.namespace, "--request-timeout", "10s"]
    where += ["--context", arguments.context] if arguments.context else []
    done = subprocess.run(
        [program_path("kubectl"), *command, *where], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        found = " ".join(done.stderr.split())
        next_step = (
            "run the command again" if CONFLICT in found else "check KUBECONFIG and your rights"
        )
        raise ClusterError(
            f"kubectl {command[0]} in {arguments.namespace}",
            expected="to succeed",
            found=found,
            next_step=next_step,
        )
    return done.stdout
