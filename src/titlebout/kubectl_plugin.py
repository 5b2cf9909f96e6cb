"""Roll back a model at 3 a.m., by kubectl and its user's rights alone.

`kubectl titlebout rollback|status|history MODEL -n NAMESPACE`. A rollback needs the API server
only: MLflow, the database and the registrar may be down.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast
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
NOT_FOUND = "(NotFound)"  # kubectl's word for an object or an API group that does not exist
BAD_REQUEST = "(BadRequest)"
CONFLICT = "(Conflict)"
REFUSED = ("(Forbidden)", "(Unauthorized)")  # by the API server, on the way to the registrar
ROUTE_RESET = "all requests of {} go to the live slot again: a strategy had divided them"


def main() -> None:
    """Run the command, and exit with its error, if any."""
    arguments = _arguments()
    try:
        for line in COMMANDS[arguments.command].run(arguments):
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
        one = commands.add_parser(name, help=command.help)
        one.add_argument("model")
        one.add_argument("-n", "--namespace", required=True)
        one.add_argument("--context", help="of the kubeconfig; absent: its current one")
        if name == "history":
            one.add_argument("--at", help="a time in ISO 8601, UTC: only what served then")
    return parser.parse_args()


def rollback(arguments: argparse.Namespace) -> Iterator[str]:
    """Send the traffic back to the release before."""
    try:
        result = _switch_back_or_again(arguments)
    # Under a canary there may be no release to go back to. The route still needs a reset.
    except NotAllowed:
        if not _reset_route(arguments):
            raise
        yield ROUTE_RESET.format(arguments.model)
        return
    yield result  # at once: the switch has happened, whatever follows
    if _reset_route(arguments):
        yield ROUTE_RESET.format(arguments.model)


def _switch_back_or_again(arguments: argparse.Namespace) -> str:
    """Switch back; try once more if somebody wrote to the Service in between.

    A release that settles in that second is such a write.
    """
    try:
        return _switch_back(arguments)
    except ClusterError as error:
        if CONFLICT not in error.found:
            raise
    return _switch_back(arguments)


def _switch_back(arguments: argparse.Namespace) -> str:
    service, deployments = _read_objects(arguments)
    last_change, slot = _last_change(service), _live_slot(service)
    target = _target_slot(arguments, last_change, slot)
    if target is None:
        return f"{arguments.model} is rolled back already: slot {slot} has the traffic"
    release = _target_release(last_change, slot)
    _require_serving(
        arguments,
        release,
        target,
        switchable=target in _switchable_slots(service),
        deployment=deployments.get(target),
    )
    patch = {
        "metadata": {"resourceVersion": service["metadata"]["resourceVersion"]},
        "spec": {"selector": {object_names.LABEL_SLOT: target}},
    }
    _kubectl(arguments, "patch", "service", arguments.model, "--patch", json.dumps(patch))
    return (
        f"{arguments.model} rolled back: slot {target}, release {release[:12]}, has the traffic; "
        "ledger and alias follow"
    )


def status(arguments: argparse.Namespace) -> Iterator[str]:
    """Show what is live, and where one can roll back to."""
    service, deployments = _read_objects(arguments)
    live = _live_slot(service)
    yield f"{arguments.model} in {arguments.namespace}"
    for slot in SLOT_NAMES:
        deployment = deployments.get(slot)
        state = (
            "live"
            if slot == live
            else "switchable"
            if slot in _switchable_slots(service)
            else "not switchable"
        )
        release = (
            annotations_of(deployment).get(object_names.ANNOTATION_RELEASE, "none")[:12]
            if deployment
            else "empty"
        )
        yield f"  {slot:<6} {state:<15} release {release:<13} {_ready_pods(deployment)} ready"
    yield from _route_lines(arguments)
    yield f"  {_registrar_line(arguments, live)}"


def history(arguments: argparse.Namespace) -> Iterator[str]:
    """List every release and rollback, from the ledger."""
    query = f"?at={quote(arguments.at)}" if arguments.at else ""
    try:
        entries = _ask_registrar(arguments, f"history/{arguments.model}{query}")
    except ClusterError as error:
        if any(refused in error.found for refused in REFUSED):
            raise
        raise _history_error(arguments, error) from error
    for entry in entries:
        yield (
            f"{entry['sequence']:>4}  {entry['time'][:19]}Z  {entry['kind']:<11} "
            f"{entry['to_release'][:12]}  by {entry['by']}: {entry['reason']}"
        )


def _history_error(arguments: argparse.Namespace, error: ClusterError) -> TitleboutError:
    """Return the error for a history that the registrar did not give.

    The registrar is away if it does not answer, or answers that it cannot. A request that it
    refuses, it would refuse again.
    """
    subject = f"history of {arguments.model}"
    if BAD_REQUEST in error.found:
        found = error.found.rstrip(".")
        return SpecError(
            subject,
            expected="a request that the registrar understands",
            found=found,
            next_step="fix --at",
        )
    return ClusterError(
        subject,
        expected="the registrar's answer",
        found=f"the registrar is away: {error}",
        next_step="`kubectl titlebout status` and `rollback` work without it; "
        "the ledger follows when it is back",
    )


class PluginCommand(NamedTuple):
    """Hold what runs a command and yields its lines, and its line in the help."""

    run: Callable[[argparse.Namespace], Iterator[str]]
    help: str


COMMANDS = {
    "rollback": PluginCommand(rollback, "send the traffic back to the release before"),
    "status": PluginCommand(status, "show what is live, and where one can roll back to"),
    "history": PluginCommand(history, "list every release and rollback, from the ledger"),
}


def _route_lines(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield a line if a strategy divides the requests, or if that cannot be read."""
    try:
        if is_divided(_route_rules(arguments), arguments.model):
            command = f"kubectl titlebout rollback {arguments.model} -n {arguments.namespace}"
            yield (
                f"  a strategy divides the requests: `{command}` sends them all to the live slot"
            )
    except ClusterError as error:
        yield f"  cannot tell whether a strategy divides the requests: {error.found}"


def _registrar_line(arguments: argparse.Namespace, slot: str) -> str:
    """Return a line that says whether ledger and alias follow the live slot."""
    try:
        answer = _ask_registrar(arguments, "status")
    except ClusterError:
        return "the registrar does not answer; ledger and alias follow when it is back"
    seen, problems = answer["live"].get(arguments.model), answer["problems"]
    if seen and seen["slot"] == slot and not seen["behind"]:
        return "ledger and alias have followed"
    subjects = (f"{what} {arguments.model}" for what in ("Service", "ledger of", "alias of"))
    problem = next(
        (problems[subject] for subject in subjects if subject in problems),
        "the registrar is still writing",
    )
    return f"ledger and alias are behind: {problem}"


def _ask_registrar(arguments: argparse.Namespace, path: str) -> Any:
    """Return its answer, through the API server. Raise ClusterError if there is none."""
    service = f"{object_names.REGISTRAR_SERVICE}:{object_names.REGISTRAR_PORT}"
    answer = _kubectl(
        arguments,
        "get",
        "--raw",
        f"/api/v1/namespaces/{arguments.namespace}/services/{service}/proxy/{path}",
    )
    try:
        return json.loads(answer)
    except ValueError as error:
        raise ClusterError(
            "registrar",
            expected="JSON",
            found=answer[:80],
            next_step="kubectl logs deployment/registrar",
        ) from error


def _reset_route(arguments: argparse.Namespace) -> bool:
    """Send all of the Gateway's requests to the live slot.

    Tell whether a strategy had divided them.
    """
    patch = json.dumps({"spec": {"rules": rules_to_live(arguments.model)}})
    try:
        if not is_divided(_route_rules(arguments), arguments.model):
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
            expected="to send all requests to the live slot, if a strategy had divided them",
            found=error.found,
            next_step="if a strategy was running, let somebody with rights on HTTPRoutes do it "
            "(docs/rollback.md)",
        ) from error
    return True


def _route_rules(arguments: argparse.Namespace) -> list[Rule]:
    """Return the route's rules.

    Most models have no route. Then return the rules that send everything to the live slot.
    """
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{arguments.namespace}/{ROUTES}/{arguments.model}"
    try:
        return list(json.loads(_kubectl(arguments, "get", "--raw", path))["spec"]["rules"])
    except ClusterError as error:
        if NOT_FOUND in str(error):
            return rules_to_live(arguments.model)
        raise


def _target_slot(arguments: argparse.Namespace, last_change: Json, slot: SlotName) -> str | None:
    """Return the slot to switch to, or None if the traffic is back already.

    A rollback never switches forward again to a release that was rolled back.
    """
    moved_since = last_change["slot"] != slot
    if last_change["kind"] == "switched":
        if moved_since:
            return None
        if last_change["from_release"] is None:
            raise _not_possible(arguments, found="the first release is live")
        return other_than(slot)
    return str(last_change["slot"]) if moved_since else None


def _target_release(last_change: Json, slot: str) -> str:
    """Return the release to go back to.

    It is the release that was live before the switch, or the one that an earlier rollback chose.
    """
    return str(
        last_change["from_release"] if last_change["slot"] == slot else last_change["release"]
    )


def _require_serving(
    arguments: argparse.Namespace,
    release: str,
    target: str,
    *,
    switchable: bool,
    deployment: Json | None,
) -> None:
    if not switchable:
        raise _not_possible(
            arguments, found=f"slot {target} is under test for a next release: not switchable"
        )
    found = annotations_of(deployment).get(object_names.ANNOTATION_RELEASE) if deployment else None
    if found != release:
        raise _not_possible(
            arguments,
            found=f"slot {target} holds {found[:12] if found else 'nothing'}, not {release[:12]}",
        )
    if _ready_pods(deployment) == 0:
        raise _not_possible(arguments, found=f"no pod of slot {target} is ready")


def _not_possible(arguments: argparse.Namespace, *, found: str) -> NotAllowed:
    return NotAllowed(
        f"rollback of {arguments.model} in {arguments.namespace}",
        expected="a release to roll back to in the other slot",
        found=found,
        next_step=f"kubectl titlebout status {arguments.model} -n {arguments.namespace}",
    )


def _read_objects(arguments: argparse.Namespace) -> tuple[Json, dict[str, Json]]:
    """Return the live Service, and the slots' Deployments by slot.

    They are read in one call: every call costs on-call a moment.
    """
    names = {f"{arguments.model}-{slot}": slot for slot in SLOT_NAMES}
    wanted = (f"service/{arguments.model}", *(f"deployment/{name}" for name in names))
    answer = _kubectl(arguments, "get", *wanted, "--output", "json", "--ignore-not-found")
    found = json.loads(answer)["items"] if answer.strip() else []
    services = [
        one
        for one in found
        if one["kind"] == "Service"
        and (one["metadata"].get("labels") or {}).get(object_names.LABEL_LIVE) == "true"
    ]
    if not services:
        raise _not_possible(arguments, found="no live Service of that name")
    return services[0], {
        names[one["metadata"]["name"]]: one for one in found if one["kind"] == "Deployment"
    }


def _last_change(service: Json) -> Json:
    try:
        change = json.loads(annotations_of(service)[object_names.ANNOTATION_CHANGE])
        return {name: change[name] for name in ("slot", "release", "from_release", "kind")}
    except (KeyError, ValueError, TypeError) as error:
        raise NotAllowed(
            f"Service {service['metadata']['name']}",
            expected=f"the annotation {object_names.ANNOTATION_CHANGE} of the last release",
            found="none that can be read",
            next_step="read what the slots hold with `kubectl titlebout status`, "
            "then use the kubectl patch of docs/rollback.md",
        ) from error


def _live_slot(service: Json) -> SlotName:
    return cast(SlotName, service["spec"]["selector"][object_names.LABEL_SLOT])


def _switchable_slots(service: Json) -> list[str]:
    return annotations_of(service).get(object_names.ANNOTATION_SWITCHABLE, "").split(",")


def _ready_pods(deployment: Json | None) -> int:
    return int(deployment["status"].get("readyReplicas") or 0) if deployment else 0


def _kubectl(arguments: argparse.Namespace, *command: str) -> str:
    options = ["--namespace", arguments.namespace, "--request-timeout", "10s"]
    options += ["--context", arguments.context] if arguments.context else []
    done = subprocess.run(
        [program_path("kubectl"), *command, *options], capture_output=True, text=True, check=False
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
