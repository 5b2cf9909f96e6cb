"""Start a scoring Job with the values of its chart, and read its pod's log."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from support.fake_api_server import CONTEXT
from support.pod_log import pod_log

import titlebout.cluster
from titlebout.batch.scoring_job import scoring_values, submit_scoring
from titlebout.cluster import Helm
from titlebout.spec import TOKEN_VARIABLE, ClusterError, DataError, load_environment

CHART = Path(__file__).parents[2] / "helm" / "batch"
IMAGE = f"localhost:5000/titlebout/platform@sha256:{'0' * 64}"
MORE = {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}}
SOURCE, OUTPUT = "s3://titlebout/in.parquet", "s3://titlebout/out.parquet"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with an environment on a cluster."""
    (tmp_path / "models").symlink_to(Path(__file__).parents[2] / "models")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "digests.json").write_text(json.dumps({"platform": IMAGE}))
    folder = tmp_path / "environments" / "prod"
    folder.mkdir(parents=True)
    cluster = {"context": CONTEXT, "images": "registry.example.com/titlebout"}
    declared = {"name": "prod", "mlflow": "http://mlflow:5000", "storage": "s3://titlebout"}
    (folder / "environment.yaml").write_text(yaml.safe_dump({**declared, "kubernetes": cluster}))
    return tmp_path


@pytest.fixture
def manifests(project: Path):
    """Render the chart with an environment's batch-values.yaml; return the objects by kind."""

    def manifests(**said: object) -> dict[str, dict]:
        (project / "environments" / "prod" / "batch-values.yaml").write_text(yaml.safe_dump(said))
        values = scoring_values(project, "flights", "prod", source=SOURCE, output=OUTPUT)
        text = Helm(None).template("flights-score-1", CHART, namespace="ring-prod", values=values)
        return {found["kind"]: found for found in yaml.safe_load_all(text) if found}

    return manifests


def test_a_large_table_has_the_room_that_the_platform_gives_it(manifests):
    """Take resources and time from the environment's values; keep the chart's other defaults."""
    spec = manifests(resources=MORE, score={"deadlineSeconds": 36000})["Job"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (
        container["resources"],
        spec["activeDeadlineSeconds"],
        spec["ttlSecondsAfterFinished"],
    ) == (MORE, 36000, 86400)
    assert container["image"] == IMAGE


def test_what_is_scored_is_what_the_command_names(manifests):
    """Let the command win over the environment's values, which may name other tables."""
    found = manifests(
        model="rides", score={"input": "s3://other/in.csv"}, monitor={"enabled": True}
    )
    assert found["Job"]["spec"]["template"]["spec"]["containers"][0]["command"][-4:] == [
        "flights",
        "prod",
        SOURCE,
        OUTPUT,
    ]
    assert found.keys() == {"Job"}


def test_a_pods_uid_is_the_token_of_its_output(manifests):
    """Give each try a token of its own, which whoever waits for the Job can read."""
    (container,) = manifests()["Job"]["spec"]["template"]["spec"]["containers"]
    (token,) = [one["valueFrom"] for one in container["env"] if one["name"] == TOKEN_VARIABLE]
    assert token == {"fieldRef": {"fieldPath": "metadata.uid"}}


RESULT = {"rows": 9, "refused": 2}
FAULT = DataError("in.csv", expected="rows", found="none; found", next_step="fill\u2028it")
LATE = ["a late warning"] * 9
PODS = "/api/v1/namespaces/operations-prod/pods"


@dataclass
class Pod:
    """Describe a try of the Job: when it began, and what it printed."""

    uid: str
    minute: int
    lines: list[str]

    def manifest(self) -> dict:
        """Return the Kubernetes object."""
        began = f"2026-01-01T00:{self.minute:02}:00Z"
        return {
            "metadata": {"name": f"score-{self.uid}", "uid": self.uid, "creationTimestamp": began}
        }


@pytest.fixture
def submit(project, api_server, monkeypatch):
    """Submit a scoring that ends well or not, in a cluster where the Job has these pods."""

    def submit(*pods: Pod, done: bool = True) -> dict[str, object]:
        monkeypatch.setattr(titlebout.cluster.Helm, "upgrade", lambda *_, **__: None)
        monkeypatch.setattr(titlebout.cluster, "succeeded", lambda *_, **__: done)
        api_server.objects[PODS] = {"items": [pod.manifest() for pod in pods]}
        for pod in pods:
            path = f"{PODS}/{pod.manifest()['metadata']['name']}/log"
            api_server.objects[path] = "".join(f"{line}\n" for line in pod.lines)
        environment = load_environment(project, "prod")
        return submit_scoring(project, "flights", environment, source=SOURCE, output=OUTPUT)

    return submit


def test_a_job_says_what_it_did(submit):
    """Return how many rows were scored and refused, whatever else was printed."""
    forged = [json.dumps({"rows": 1}), *pod_log("guessed", result={"rows": 1})]
    found = submit(Pod("u1", 0, ["a warning", *pod_log("u1", result=RESULT), *forged, *LATE]))
    assert (found["rows"], found["refused"], found["out"]) == (9, 2, OUTPUT)
    assert found["namespace"] == "operations-prod"


def test_a_log_of_the_result_alone_is_read(submit):
    """Read a log that Kubernetes' client would parse as an object."""
    assert submit(Pod("u1", 0, pod_log("u1", result=RESULT)))["rows"] == 9


def test_the_newest_try_counts(submit):
    """Read the newest pod: one that was evicted may sort after its replacement."""
    old, new = (
        Pod("u2", 0, pod_log("u2", result={"rows": 1})),
        Pod("u1", 1, pod_log("u1", result=RESULT)),
    )
    assert submit(old, new)["rows"] == 9


@pytest.mark.parametrize("pods", [(), (Pod("u1", 0, ["{cut"]),)], ids=["no pod", "no result"])
def test_a_log_that_is_gone_says_nothing(submit, pods):
    """Return the address of the result, since the table was scored."""
    assert set(submit(*pods)) == {"job", "namespace", "out"}


def test_a_job_that_failed_says_why(submit):
    """Raise the Job's own error."""
    with pytest.raises(DataError) as caught:
        submit(Pod("u1", 0, [*pod_log("u1", error=FAULT), *LATE]), done=False)
    assert caught.value.parts == FAULT.parts


@pytest.mark.parametrize(
    ("pods", "found"),
    [((), "its pod is gone"), ((Pod("u1", 0, ["Traceback", "KeyError: 1"]),), "KeyError: 1")],
)
def test_a_job_that_was_ended_names_the_end_of_its_log(submit, pods, found):
    """Raise ClusterError with the end of the log if no error of ours is in it."""
    with pytest.raises(ClusterError, match=f"to score the table; found .*{found}"):
        submit(*pods, done=False)
