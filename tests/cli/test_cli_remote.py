"""Training on a cluster is two Jobs: what each runs and holds, and what ends it. A stand-in for `run_job` keeps the Jobs and answers."""

import json
from pathlib import Path

import pytest
import yaml
from support.fake_api_server import CONTEXT

from titlebout.cli.remote import OUTPUT, train_in_namespace
from titlebout.cluster import job as jobs
from titlebout.spec import DataError, load_environment

DIGEST = "5" * 64
IMAGE = f"registry.example.com/platform@sha256:{'0' * 64}"
REPOSITORY = Path(__file__).parents[2]
ARGUMENTS = ["train", "flights", "--env", "dev"]


@pytest.fixture
def project(tmp_path, api_server) -> Path:
    (tmp_path / "models").symlink_to(REPOSITORY / "models")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "digests.json").write_text(json.dumps({"platform": IMAGE}))
    (tmp_path / "environments" / "dev").mkdir(parents=True)
    cluster = {"context": CONTEXT, "images": "registry.example.com/titlebout"}
    declared = {
        "name": "dev",
        "mlflow": "http://mlflow:5000",
        "storage": "s3://titlebout",
        "kubernetes": cluster,
    }
    (tmp_path / "environments" / "dev" / "environment.yaml").write_text(yaml.safe_dump(declared))
    return tmp_path


@pytest.fixture
def answers(monkeypatch) -> list[tuple[int, str]]:
    """Exit codes and outputs of the Jobs to come."""
    return []


@pytest.fixture
def run(monkeypatch, answers) -> list[jobs.Job]:
    """The Jobs that were run."""
    made: list[jobs.Job] = []

    def run_job(_api, _namespace, job, *, hear):
        made.append(job)
        code, output = answers.pop(0)
        for line in ("a step", OUTPUT, *output.splitlines()):
            hear(line)
        return code

    monkeypatch.setattr(jobs, "run_job", run_job)
    return made


def train(project: Path, *more: str, as_of: str | None = None) -> tuple[int, str]:
    cluster = load_environment(project, "dev").kubernetes
    assert cluster is not None
    return train_in_namespace(cluster, project, "flights", "dev", [*ARGUMENTS, *more], as_of=as_of)


def secrets_of(job: jobs.Job) -> set[str]:
    return {
        *job.secret_variables,
        *job.where_in_pod.values(),
        *(secret for secret, _ in job.secrets.values()),
    }


def test_the_second_job_trains_on_what_the_first_froze(project, run, answers):
    """The first has no account on MLflow; the second knows the dataset by its digest and reads no source."""
    answers += [(0, json.dumps({"digest": DIGEST})), (0, "the verdict\n")]
    assert train(project, as_of="2013-06-01") == (0, "the verdict\n")
    first, second = run
    assert first.command[-7:] == (
        "prepare",
        "flights",
        "--env",
        "dev",
        "--as-of",
        "2013-06-01",
        "--json",
    )
    assert second.command[-4:] == tuple(ARGUMENTS)
    assert secrets_of(first) == {"storage-training", "storage-prod-reader"}
    assert secrets_of(second) == {"storage", "mlflow-user-releaser"}
    assert "TITLEBOUT_PREPARED" not in first.variables
    assert second.variables["TITLEBOUT_PREPARED"] == DIGEST


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"digest": 5}',
        '{"digest": "../verdicts/x"}',
        'hello\\n{"digest": "' + DIGEST + '"}',
    ],
)
def test_what_is_no_digest_is_not_trained_on(project, run, answers, said):
    """A team's own code speaks in that Job: what it prints is checked before it names anything."""
    answers += [(0, said)]
    with pytest.raises(DataError, match="expected one JSON object with the dataset's digest"):
        train(project)
    assert len(run) == 1


@pytest.mark.parametrize(("more", "output"), [((), ""), (("--json",), '{"error": {}}\n')])
def test_a_source_that_cannot_be_read_ends_it(project, run, answers, more, output):
    """With its exit code; JSON is printed only where JSON was asked for."""
    answers += [(1, '{"error": {}}')]
    assert train(project, *more) == (1, output)
    assert len(run) == 1
