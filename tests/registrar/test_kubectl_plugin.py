"""What on-call is told by `kubectl titlebout`, with a program on PATH that answers as kubectl does."""

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
said = json.load(open({answers!r}))
asked = " ".join(sys.argv[1:])
print(asked, file=open({asked!r}, "a"))
for part, answers in said.items():
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
    'Error from server (Conflict): Operation cannot be fulfilled on services "tiny": the object has been modified',
)


@dataclass
class Kubectl:
    """`answers`: by a part of the command line, exit code and what is printed; of a list, one after the other.

    Green is live, and blue was before it.
    """

    folder: Path
    answers: dict[str, tuple[int, str] | list[tuple[int, str]]] = field(default_factory=dict)

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess:
        answers = {
            part: said if isinstance(said, list) else [said] for part, said in self.answers.items()
        }
        (self.folder / "answers.json").write_text(json.dumps(answers))
        called = "import sys; sys.executable = '/none'; from titlebout.kubectl_plugin import main; main()"
        variables = {"PATH": f"{self.folder}:/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
        arguments = [sys.executable, "-c", called, command, "tiny", "-n", "ring-prod", *options]
        return subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)

    def asked(self) -> str:
        return (self.folder / "asked").read_text()


@pytest.fixture
def kubectl(tmp_path):
    program_path = tmp_path / "kubectl"
    program_path.write_text(
        FAKE.format(
            python=sys.executable,
            answers=str(tmp_path / "answers.json"),
            asked=str(tmp_path / "asked"),
        )
    )
    program_path.chmod(0o755)
    told = {"slot": "green", "release": "b" * 64, "from_release": "a" * 64, "kind": "switched"}
    service = live_service(
        "tiny",
        "green",
        annotations={
            "titlebout.io/change": json.dumps(told),
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


def registrar_says(behind: bool, slot: str = "green", **problems: str) -> tuple[int, str]:
    live = {"tiny": {"slot": slot, "release": "b" * 64, "behind": behind}}
    return 0, json.dumps(
        {
            "live": live,
            "problems": {name.replace("_", " "): said for name, said in problems.items()},
        }
    )


def test_status_says_that_a_strategy_divides_the_requests(kubectl):
    """And what takes them back; where nothing divides them, nothing is said."""
    assert "divides" not in kubectl.run("status").stdout
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    assert (
        "a strategy divides the requests: `kubectl titlebout rollback tiny -n ring-prod` takes them back"
        in kubectl.run("status").stdout
    )


FOLLOWED = {
    "followed": (registrar_says(behind=False), "ledger and alias have followed"),
    "behind": (
        registrar_says(behind=True, alias_of_tiny="MLflow is away"),
        "ledger and alias are behind: MLflow is away",
    ),
    "not yet": (registrar_says(behind=True), "ledger and alias are behind: the registrar is at it"),
    "not seen": (
        registrar_says(behind=False, slot="blue"),
        "ledger and alias are behind: the registrar is at it",
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
    """Whatever the registrar says, or none: what is live is said, and the command succeeds."""
    kubectl.answers[REGISTRAR], said = FOLLOWED[what]
    done = kubectl.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "green  live" in done.stdout
    assert said in done.stdout


def test_status_without_a_right_to_routes_says_so_and_succeeds(kubectl):
    """The rest is as good as ever."""
    kubectl.answers[ROUTE] = FORBIDDEN
    done = kubectl.run("status")
    assert done.returncode == 0
    assert "cannot be seen: Error from server (Forbidden)" in done.stdout


@pytest.mark.parametrize("refused", [ROUTE, "patch httproutes"])
def test_a_rollback_that_happened_is_told_whatever_becomes_of_the_route(kubectl, refused):
    """The Service has moved, and that is said first; exit code 1, for a strategy may still divide the requests."""
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    kubectl.answers[refused] = FORBIDDEN
    done = kubectl.run("rollback")
    assert done.stdout.startswith(
        "tiny rolled back: slot blue, release aaaaaaaaaaaa, has the traffic"
    )
    assert done.returncode == 1
    assert "HTTPRoute ring-prod/tiny: expected to take back" in done.stderr
    assert PATCH_SERVICE in kubectl.asked()


def test_a_rollback_takes_the_requests_back(kubectl):
    """Both are said, the switch first."""
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    done = kubectl.run("rollback")
    assert (done.returncode, done.stdout.count("\n")) == (0, 2)
    assert "a strategy had divided them" in done.stdout.splitlines()[1]


@pytest.mark.parametrize("conflicts", [1, 2])
def test_a_rollback_that_somebody_was_faster_than_looks_once_more(kubectl, conflicts):
    """The second patch is of what the second look found; who is overtaken twice is told to run it again."""
    code, found = kubectl.answers["get service/tiny"]
    newer = json.loads(found)
    newer["items"][0]["metadata"]["resourceVersion"] = "settled"
    kubectl.answers["get service/tiny"] = [(code, found), (code, json.dumps(newer))]
    kubectl.answers[PATCH_SERVICE] = [CONFLICT] * conflicts + [(0, "patched")]
    done = kubectl.run("rollback")
    patches = [asked for asked in kubectl.asked().splitlines() if PATCH_SERVICE in asked]
    assert ["settled" in patch for patch in patches] == [False, True]
    assert (done.returncode, "Next: run the command again" in done.stderr) == (
        (0, False) if conflicts == 1 else (1, True)
    )


def test_history_is_asked_for_at_the_very_time(kubectl):
    """Its offset's plus would else reach the registrar as a space."""
    kubectl.answers["proxy/history"] = (0, "[]")
    assert kubectl.run("history", "--at", "2026-11-22T03:12+02:00").returncode == 0
    assert "history/tiny?at=2026-11-22T03%3A12%2B02%3A00 " in kubectl.asked()


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
        "mend --at.",
    ),
    "no right": (
        'Error from server (Forbidden): services "registrar" is forbidden',
        False,
        "your rights.",
    ),
}


@pytest.mark.parametrize("what", NO_HISTORY)
def test_the_registrar_is_away_only_if_it_does_not_answer(kubectl, what):
    """What it refuses, or the API server for it, is told in their words."""
    said, away, next_step = NO_HISTORY[what]
    kubectl.answers["proxy/history"] = (1, said)
    done = kubectl.run("history", "--at", "noon")
    assert said.rstrip(".") in done.stderr
    assert ("is away" in done.stderr, next_step in done.stderr, done.returncode) == (away, True, 1)


def test_kubectl_tells_why_the_registrar_refused(registrar):
    """The real one, which keeps all but a Kubernetes Status to itself."""
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
