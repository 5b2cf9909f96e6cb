"""Train on a cluster in two Jobs: what each runs and holds, and what ends it.

A fake `run_job` keeps the Jobs and answers with the lines that a pod would print.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from support.fake_api_server import CONTEXT
from support.pod_log import pod_log

import titlebout.cluster
from titlebout.cli.remote import OUTPUT, train_in_namespace
from titlebout.cluster import Job
from titlebout.spec import (
    TOKEN_VARIABLE,
    ClusterError,
    DataError,
    LogReader,
    TitleboutError,
    load_environment,
)

DIGEST = "5" * 64
IMAGE = f"registry.example.com/platform@sha256:{'0' * 64}"
REPOSITORY = Path(__file__).parents[2]
ARGUMENTS = ["train", "flights", "--env", "dev"]


@pytest.fixture
def project(tmp_path, api_server) -> Path:
    """Return a project whose dev environment is on a cluster."""
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


class Answer(NamedTuple):
    """Hold a Job's exit code, and what its command printed or failed with."""

    code: int
    output: str | None = None
    error: TitleboutError | None = None


@pytest.fixture
def answers() -> list[Answer]:
    """Return the list of what the Jobs to come answer."""
    return []


@pytest.fixture
def run(monkeypatch, answers) -> list[Job]:
    """Return the list of the Jobs that were run."""
    made: list[Job] = []

    def run_job(_api, _namespace, job, *, on_line):
        made.append(job)
        code, output, error = answers.pop(0)
        result = None if output is None else {OUTPUT: output}
        forged = pod_log("guessed", result={OUTPUT: json.dumps({"digest": "f" * 64})})
        for line in ("a step", *pod_log(job.output_token, result=result, error=error), *forged):
            on_line(line)
        return code

    monkeypatch.setattr(titlebout.cluster, "run_job", run_job)
    return made


def train(project: Path, *more: str, as_of: str | None = None) -> tuple[int, str]:
    cluster = load_environment(project, "dev").kubernetes
    assert cluster is not None
    return train_in_namespace(cluster, project, "flights", "dev", [*ARGUMENTS, *more], as_of=as_of)


def secrets_of(job: Job) -> set[str]:
    return {
        *job.secret_variables,
        *job.where_in_pod.values(),
        *(secret for secret, _ in job.secrets.values()),
    }


def test_the_second_job_trains_on_what_the_first_froze(project, run, answers):
    """Give the first Job no account on MLflow, and the second the dataset's digest."""
    answers += [Answer(0, json.dumps({"digest": DIGEST})), Answer(0, "the verdict\n")]
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
    """Refuse an output without a digest: a team's own code runs in that Job."""
    answers += [Answer(0, said)]
    with pytest.raises(DataError, match="expected one JSON object with the dataset's digest"):
        train(project)
    assert len(run) == 1


SOURCE_ERROR = DataError("a.csv", expected="rows", found="none;\n found", next_step="fill it")


def test_a_source_that_cannot_be_read_ends_it(project, run, answers):
    """Raise the Job's own error, which the command line prints and exits by."""
    answers += [Answer(1, "", SOURCE_ERROR)]
    with pytest.raises(DataError) as caught:
        train(project)
    assert caught.value.parts == SOURCE_ERROR.parts
    assert len(run) == 1


@pytest.mark.parametrize(("more", "output"), [((), ""), (("--json",), "{}\n")])
def test_a_job_that_fails_without_an_error_of_ours_ends_it(project, run, answers, more, output):
    """Return the Job's exit code; print what it printed only with --json."""
    answers += [Answer(137, "{}\n")]
    assert train(project, *more) == (137, output)
    assert len(run) == 1


def test_a_killed_job_has_no_output(project, run, answers):
    """Return the exit code of a killed Job, and no output."""
    answers += [Answer(137)]
    assert train(project, "--json") == (137, "")


def test_a_job_that_ends_well_without_an_output_is_an_error(project, run, answers):
    """Refuse a log that lost its end: it must not look like a command that printed nothing."""
    answers += [Answer(0)]
    with pytest.raises(ClusterError, match="expected the command's output in its log"):
        train(project)


def test_progress_is_shown_and_forged_results_with_it(project, run, answers, capfd):
    """Show progress on standard error, and none of the protocol's own lines."""
    answers += [Answer(0, json.dumps({"digest": DIGEST})), Answer(0, "the verdict\n")]
    train(project)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.count("a step\n") == 2
    assert shown.err.count("guessed") == 2
    assert not [job for job in run if job.output_token in shown.err]


def test_each_job_has_a_token_of_its_own(project, run, answers):
    """Give each Job's pod a token of its own in a variable, which no other pod knows."""
    answers += [Answer(0, json.dumps({"digest": DIGEST})), Answer(0, "")]
    train(project)
    tokens = []
    for job in run:
        (container,) = job.manifest()["spec"]["template"]["spec"]["containers"]
        tokens += [one["value"] for one in container["env"] if one["name"] == TOKEN_VARIABLE]
    assert tokens == [job.output_token for job in run]
    assert len(set(tokens)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("history", "flights", "--env", "moon"),
        ("history", "flights", "--env", "moon", "--json"),
        ("train", "--no-such-option"),
        ("--version",),
        ("--help",),
    ],
)
def test_a_command_in_a_pod_is_the_command_itself(monkeypatch, arguments):
    """Give the same standard output, exit code and error as `titlebout` here."""
    here = _run(Path(sys.executable).with_name("titlebout"), *arguments)
    monkeypatch.setenv(TOKEN_VARIABLE, "5e0c")
    pod = _run(sys.executable, "-m", "titlebout.cli.command_pod", *arguments)
    reader = LogReader("5e0c", lambda _: None)
    for line in pod.stdout.split("\n"):
        reader.read_line(line)
    output = reader.result[OUTPUT]
    if reader.error is not None:
        assert [part for part in reader.error.parts.values() if part not in here.stderr] == []
        output += _printed(reader.error) if "--json" in arguments else ""
    assert (output, pod.returncode) == (here.stdout, here.returncode)


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def _printed(error: TitleboutError) -> str:
    """Return what the command line prints of an error where JSON was asked for."""
    return json.dumps({"error": {"kind": type(error).__name__, **error.parts}}) + "\n"
