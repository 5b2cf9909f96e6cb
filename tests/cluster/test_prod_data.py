"""Check that in dev a model reads prod's data by a credential that cannot write it."""

import json

from titlebout.cluster.job import Job, run_job
from titlebout.images import noted_images
from titlebout.spec import object_names

BUCKET, KEY, CONTENT = "titlebout", "exports/rides.csv", b"from,to\na,b\n"
READ_AND_WRITE = """
import json, os, s3fs
prod = s3fs.S3FileSystem(
    key=os.environ["PROD_AWS_ACCESS_KEY_ID"],
    secret=os.environ["PROD_AWS_SECRET_ACCESS_KEY"],
    endpoint_url=os.environ["PROD_AWS_ENDPOINT_URL"],
)
path = "titlebout/exports/rides.csv"
try:
    prod.pipe_file(path, b"forged")
    written = "written"
except PermissionError:
    written = "refused"
print(json.dumps({"read": prod.cat_file(path).decode(), "written": written}))
"""
LIST_PROD_VARIABLES = """
import json, os
print(json.dumps(sorted(name for name in os.environ if name.startswith("PROD_"))))
"""


def run_in_training_pod(fork, api, environment: str, script: str) -> object:
    """Run a script in a pod with the variables of `titlebout train`, and return its JSON."""
    job = Job(
        name="reader",
        part="training",
        image=noted_images(fork.project)["platform"],
        command=("python", "-c", script),
        account="training",
        seconds=120,
        where_in_pod={object_names.STORAGE_READER_PREFIX: object_names.STORAGE_READER_SECRET},
    )
    lines: list[str] = []
    assert run_job(api, fork.namespace(environment), job, on_line=lines.append) == 0, lines
    return json.loads(lines[-1])


def test_what_prod_exports_is_read_and_not_written(installed_fork, api):
    """A pod in dev reads prod's store with the variables of docs/teams.md, and cannot write."""
    with installed_fork.store("prod") as store:
        store.put_object(Bucket=BUCKET, Key=KEY, Body=CONTENT)
    assert run_in_training_pod(installed_fork, api, "dev", READ_AND_WRITE) == {
        "read": CONTENT.decode(),
        "written": "refused",
    }


def test_nobody_else_has_the_credential(installed_fork, api):
    """The same pod in staging has no variable of prod."""
    assert run_in_training_pod(installed_fork, api, "staging", LIST_PROD_VARIABLES) == []
