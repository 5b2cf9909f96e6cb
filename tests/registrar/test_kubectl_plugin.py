"""Read what `kubectl titlebout` prints, with a program on PATH that answers as kubectl does."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.fake_watch_api import live_service, slot_deployment

from titlebout.cluster.helm import program_path
from titlebout.registrar.http_api import serve

FAKE = """#!{python} -S
import json, os, sys
all_answers = json.load(open({answers!r}))
asked = " ".join(sys.argv[1:])
print(asked, file=open({asked!r}, "a"))
for part, answers in all_answers.items():
    if part in asked:
        turn = sum(part in line for line in open({asked!r}))
        code, answer = answers[:turn][-1]
        print(answer, file=sys.stderr if code else sys.stdout)
        sys.exit(code)
sys.exit("Error from server (NotFound): no such object")
"""
CANARY = [
    {
        "backendRefs": [
            {"name": "tiny", "port": 80, "weight": 90},
            {"name": "tiny-green", "port": 80, "weight": 10},
        ]
    }
]
ROUTE, REGISTRAR, PATCH_SERVICE = "httproutes/tiny", "proxy/status", "patch service"
FORBIDDEN = (1, "Error from server (Forbidden): httproutes is forbidden")
CONFLICT = (
    1,
    "Error from server (Conflict): Operation cannot be fulfilled on services "
    '"tiny": the object has been modified',
)


@dataclass
class Kubectl:
    """Run the plugin with a fake kubectl. Green is live, and blue was before it.

    `answers` holds, by a part of the command line, the exit code and what is printed. A list is
    printed one after the other.
    """

    folder: Path
    answers: dict[str, tuple[int, str] | list[tuple[int, str]]] = field(default_factory=dict)

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess:
        """Run a command of the plugin for the model `tiny`."""
        answers = {
            part: answer if isinstance(answer, list) else [answer]
            for part, answer in self.answers.items()
        }
        (self.folder / "answers.json").write_text(json.dumps(answers))
        program = (
            "import sys; sys.executable = '/none'; "
            "from titlebout.kubectl_plugin import main; main()"
        )
        variables = {"PATH": f"{self.folder}:/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
        arguments = [sys.executable, "-c", program, command, "tiny", "-n", "ring-prod", *options]
        return subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)

    def commands(self) -> str:
        """Return the command lines that kubectl got."""
        return (self.folder / "asked").read_text()


@pytest.fixture
def kubectl(tmp_path):
    """Put a fake kubectl on PATH, with a live Service and two slots."""
    program = tmp_path / "kubectl"
    program.write_text(
        FAKE.format(
            python=sys.executable,
            answers=str(tmp_path / "answers.json"),
            asked=str(tmp_path / "asked"),
        )
    )
    program.chmod(0o755)
    change = {"slot": "green", "release": "b" * 64, "from_release": "a" * 64, "kind": "switched"}
    service = live_service(
        "tiny",
        "green",
        annotations={
            "titlebout.io/change": json.dumps(change),
            "titlebout.io/switchable": "blue,green",
        },
    )
    slots = [
        slot_deployment("tiny", slot) | {"kind": "Deployment", "status": {"readyReplicas": 1}}
        for slot in ("blue", "green")
    ]
    found = json.dumps({"items": [service | {"kind": "Service"}, *slots]})
    return Kubectl(
        tmp_path,
        {
            "get service/tiny": (0, found),
            PATCH_SERVICE: (0, "patched"),
            "patch httproutes": (0, "patched"),
        },
    )


def registrar_answer(behind: bool, slot: str = "green", **problems: str) -> tuple[int, str]:
    """Return the registrar's status of `tiny`, with these problems."""
    live = {"tiny": {"slot": slot, "release": "b" * 64, "behind": behind}}
    return 0, json.dumps(
        {
            "live": live,
            "problems": {name.replace("_", " "): problem for name, problem in problems.items()},
        }
    )


def test_status_says_that_a_strategy_divides_the_requests(kubectl):
    """Name the command that resets the route, and only where a strategy divides the requests."""
    assert "divides" not in kubectl.run("status").stdout
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    assert (
        "a strategy divides the requests: `kubectl titlebout rollback tiny -n ring-prod` "
        "sends them all to the live slot" in kubectl.run("status").stdout
    )


FOLLOWED = {
    "followed": (registrar_answer(behind=False), "ledger and alias have followed"),
    "behind": (
        registrar_answer(behind=True, alias_of_tiny="MLflow is away"),
        "ledger and alias are behind: MLflow is away",
    ),
    "not yet": (
        registrar_answer(behind=True),
        "ledger and alias are behind: the registrar is still writing",
    ),
    "not seen": (
        registrar_answer(behind=False, slot="blue"),
        "ledger and alias are behind: the registrar is still writing",
    ),
    "away": (
        (1, "Error: no endpoints"),
        "the registrar does not answer; ledger and alias follow when it is back",
    ),
    "nonsense": (
        (0, "<html>"),
        "the registrar does not answer; ledger and alias follow when it is back",
    ),
}


@pytest.mark.parametrize("what", FOLLOWED)
def test_status_says_whether_ledger_and_alias_have_followed(kubectl, what):
    """Print what is live and succeed, whatever the registrar answers."""
    kubectl.answers[REGISTRAR], expected = FOLLOWED[what]
    done = kubectl.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "green  live" in done.stdout
    assert expected in done.stdout


def test_status_without_a_right_to_routes_says_so_and_succeeds(kubectl):
    """Print everything else as usual."""
    kubectl.answers[ROUTE] = FORBIDDEN
    done = kubectl.run("status")
    assert done.returncode == 0
    assert (
        "cannot tell whether a strategy divides the requests: Error from server (Forbidden)"
        in done.stdout
    )


@pytest.mark.parametrize("refused", [ROUTE, "patch httproutes"])
def test_a_rollback_that_happened_is_told_whatever_becomes_of_the_route(kubectl, refused):
    """Print the switch first, then exit with 1: a strategy may still divide the requests."""
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    kubectl.answers[refused] = FORBIDDEN
    done = kubectl.run("rollback")
    assert done.stdout.startswith(
        "tiny rolled back: slot blue, release aaaaaaaaaaaa, has the traffic"
    )
    assert done.returncode == 1
    assert "HTTPRoute ring-prod/tiny: expected to send all requests to the live slot" in done.stderr
    assert PATCH_SERVICE in kubectl.commands()


def test_a_rollback_resets_the_route(kubectl):
    """Print the switch first, then the reset."""
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    done = kubectl.run("rollback")
    assert (done.returncode, done.stdout.count("\n")) == (0, 2)
    assert "a strategy had divided them" in done.stdout.splitlines()[1]


@pytest.mark.parametrize("conflicts", [1, 2])
def test_a_rollback_after_a_conflict_looks_once_more(kubectl, conflicts):
    """Patch what the second look found; after a second conflict, tell the user to run it again."""
    code, found = kubectl.answers["get service/tiny"]
    newer = json.loads(found)
    newer["items"][0]["metadata"]["resourceVersion"] = "settled"
    kubectl.answers["get service/tiny"] = [(code, found), (code, json.dumps(newer))]
    kubectl.answers[PATCH_SERVICE] = [CONFLICT] * conflicts + [(0, "patched")]
    done = kubectl.run("rollback")
    patches = [asked for asked in kubectl.commands().splitlines() if PATCH_SERVICE in asked]
    assert ["settled" in patch for patch in patches] == [False, True]
    assert (done.returncode, "Next: run the command again" in done.stderr) == (
        (0, False) if conflicts == 1 else (1, True)
    )


def test_history_asks_for_the_exact_time(kubectl):
    """Quote the offset's plus, which would reach the registrar as a space."""
    kubectl.answers["proxy/history"] = (0, "[]")
    assert kubectl.run("history", "--at", "2026-11-22T03:12+02:00").returncode == 0
    assert "history/tiny?at=2026-11-22T03%3A12%2B02%3A00 " in kubectl.commands()


NO_HISTORY = {
    "no endpoints": (
        "Error from server (ServiceUnavailable): no endpoints available",
        True,
        "`rollback` work without it",
    ),
    "no such Service": (
        'Error from server (NotFound): services "registrar" not found',
        True,
        "`rollback` work without it",
    ),
    "no time": (
        "Error from server (BadRequest): --at: expected a time; found noon. Next: see ISO 8601.",
        False,
        "fix --at.",
    ),
    "no right": (
        'Error from server (Forbidden): services "registrar" is forbidden',
        False,
        "your rights.",
    ),
}


@pytest.mark.parametrize("what", NO_HISTORY)
def test_the_registrar_is_away_only_if_it_does_not_answer(kubectl, what):
    """Print what the registrar, or the API server, refuses in its own words."""
    message, away, next_step = NO_HISTORY[what]
    kubectl.answers["proxy/history"] = (1, message)
    done = kubectl.run("history", "--at", "noon")
    assert message.rstrip(".") in done.stderr
    assert ("is away" in done.stderr, next_step in done.stderr, done.returncode) == (away, True, 1)


def test_kubectl_tells_why_the_registrar_refused(registrar):
    """Let the real kubectl print the reason, which it does only for a Kubernetes Status."""
    with serve(registrar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        asked = [
            program_path("kubectl"),
            "--kubeconfig",
            "/dev/null",
            "--server",
            address,
            "get",
            "--raw",
            "/history/tiny?at=noon",
        ]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        server.shutdown()
    assert done.stderr.startswith("Error from server (BadRequest): ")
    assert "noon" in done.stderr
