"""What on-call is told by `kubectl titlebout`, with a program on PATH that answers as kubectl does."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fake_api import live_service, slot_deployment

FAKE = """#!{python} -S
import json, os, sys
said = json.load(open({answers!r}))
asked = " ".join(sys.argv[1:])
print(asked, file=open({asked!r}, "a"))
for part, (code, answer) in said.items():
    if part in asked:
        print(answer, file=sys.stderr if code else sys.stdout)
        sys.exit(code)
sys.exit("Error from server (NotFound): no such object")
"""
CANARY = [{"backendRefs": [{"name": "tiny", "port": 80, "weight": 90}, {"name": "tiny-green", "port": 80, "weight": 10}]}]
ROUTE, REGISTRAR, PATCH_SERVICE = "httproutes/tiny", "proxy/status", "patch service"
FORBIDDEN = (1, "Error from server (Forbidden): httproutes is forbidden")


@dataclass
class Kubectl:
    """`answers`: by a part of the command line, exit code and what is printed. Green is live, and blue was before it."""

    folder: Path
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)

    def run(self, command: str) -> subprocess.CompletedProcess:
        (self.folder / "answers.json").write_text(json.dumps(self.answers))
        called = "import sys; sys.executable = '/none'; from titlebout.registrar.plugin import main; main()"
        variables = {"PATH": f"{self.folder}:/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
        arguments = [sys.executable, "-c", called, command, "tiny", "-n", "ring-prod"]
        return subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)

    def asked(self) -> str:
        return (self.folder / "asked").read_text()


@pytest.fixture
def kubectl(tmp_path):
    program = tmp_path / "kubectl"
    program.write_text(FAKE.format(python=sys.executable, answers=str(tmp_path / "answers.json"), asked=str(tmp_path / "asked")))
    program.chmod(0o755)
    told = {"slot": "green", "release": "b" * 64, "from_release": "a" * 64, "kind": "switched"}
    service = live_service("tiny", "green", annotations={"titlebout.io/change": json.dumps(told), "titlebout.io/switchable": "blue,green"})
    slots = [slot_deployment("tiny", slot) | {"kind": "Deployment", "status": {"readyReplicas": 1}} for slot in ("blue", "green")]
    found = json.dumps({"items": [service | {"kind": "Service"}, *slots]})
    return Kubectl(tmp_path, {"get service/tiny": (0, found), PATCH_SERVICE: (0, "patched"), "patch httproutes": (0, "patched")})


def registrar_says(behind: bool, slot: str = "green", **problems: str) -> tuple[int, str]:
    live = {"tiny": {"slot": slot, "release": "b" * 64, "behind": behind}}
    return 0, json.dumps({"live": live, "problems": {name.replace("_", " "): said for name, said in problems.items()}})


def test_status_says_that_a_strategy_divides_the_requests(kubectl):
    """And what takes them back; where nothing divides them, nothing is said."""
    assert "divides" not in kubectl.run("status").stdout
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    assert "a strategy divides the requests: `kubectl titlebout rollback tiny -n ring-prod` takes them back" in kubectl.run("status").stdout


FOLLOWED = {
    "followed": (registrar_says(behind=False), "ledger and alias have followed"),
    "behind": (registrar_says(behind=True, alias_of_tiny="MLflow is away"), "ledger and alias are behind: MLflow is away"),
    "not yet": (registrar_says(behind=True), "ledger and alias are behind: the registrar is at it"),
    "not seen": (registrar_says(behind=False, slot="blue"), "ledger and alias are behind: the registrar is at it"),
    "away": ((1, "Error: no endpoints"), "the registrar does not answer; ledger and alias follow when it is back"),
    "nonsense": ((0, "<html>"), "the registrar does not answer; ledger and alias follow when it is back"),
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
    assert done.stdout.startswith("tiny rolled back: slot blue, release aaaaaaaaaaaa, has the traffic")
    assert done.returncode == 1
    assert "HTTPRoute ring-prod/tiny: expected to take back" in done.stderr
    assert PATCH_SERVICE in kubectl.asked()


def test_a_rollback_takes_the_requests_back(kubectl):
    """Both are said, the switch first."""
    kubectl.answers[ROUTE] = (0, json.dumps({"spec": {"rules": CANARY}}))
    done = kubectl.run("rollback")
    assert (done.returncode, done.stdout.count("\n")) == (0, 2)
    assert "a strategy had divided them" in done.stdout.splitlines()[1]
