"""Check that a data team's own code can neither move an alias nor write a verdict.

It runs in a training Job.
"""

import json

import pytest
from support.company_fork import MODEL
from support.two_teams import kubectl

from titlebout.cluster.job import Job, run_job
from titlebout.images import noted_images
from titlebout.spec import object_names

WRITE = """
import json, os, sys, s3fs
store = s3fs.S3FileSystem(
    key=os.environ["AWS_ACCESS_KEY_ID"],
    secret=os.environ["AWS_SECRET_ACCESS_KEY"],
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
)
found = {}
for path in sys.argv[1:]:
    try:
        store.pipe_file(path, b"forged")
        found[path] = "written"
    except PermissionError:
        found[path] = "refused"
print(json.dumps(found))
"""
OWN = "titlebout/datasets/forged/dataset.json"
OTHERS = [
    f"titlebout/{folder}/forged.json"
    for folder in ("verdicts", "releases", "ledger", "packages", "inference")
] + [
    "mlflow/forged",
    "kfp/forged",
]


@pytest.fixture(scope="module")
def trained(installed_fork):
    """Train the model in prod, where no Job of an earlier training is left."""
    namespace = installed_fork.namespace("prod")
    kubectl("delete", "jobs", "--selector", f"titlebout.io/model={MODEL}", "--namespace", namespace)
    installed_fork.run("train", MODEL, "--env", "prod")
    return installed_fork


def jobs_of(fork, command: str) -> list[dict]:
    """Return the model's Jobs of a command."""
    found = json.loads(
        kubectl("get", "jobs", "--namespace", fork.namespace("prod"), "--output", "json")
    )["items"]
    return [job for job in found if job["metadata"]["name"].startswith(f"{MODEL}-{command}-")]


def secrets_of(job: dict) -> set[str]:
    """Return the names of the Secrets that the Job's container reads."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    named = {
        one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"] if "valueFrom" in one
    }
    return named | {one["secretRef"]["name"] for one in container["envFrom"]}


def test_the_source_is_read_in_a_job_without_an_account_on_mlflow(trained):
    """One Job prepares without an account; another gets the dataset's digest, trains and signs."""
    (prepare,), (train,) = (jobs_of(trained, command) for command in ("prepare", "train"))
    assert secrets_of(prepare) == {"storage-training", "storage-prod-reader"}
    assert secrets_of(train) == {"storage", "mlflow-user-releaser"}
    (container,) = train["spec"]["template"]["spec"]["containers"]
    assert [
        len(one["value"]) for one in container["env"] if one["name"] == "TITLEBOUT_PREPARED"
    ] == [64]


def test_its_credential_writes_datasets_and_nothing_else(trained, api):
    """Training's credential writes datasets, and no verdict, release, ledger or other bucket."""
    job = Job(
        name="forger",
        part="training",
        image=noted_images(trained.project)["platform"],
        command=("python", "-c", WRITE, OWN, *OTHERS),
        account="training",
        seconds=120,
        secret_variables=(object_names.STORAGE_TRAINING_SECRET,),
    )
    lines: list[str] = []
    assert run_job(api, trained.namespace("prod"), job, on_line=lines.append) == 0, lines
    assert json.loads(lines[-1]) == {OWN: "written", **dict.fromkeys(OTHERS, "refused")}
