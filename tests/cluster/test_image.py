"""Check what the serving images hold, and that the scikit-learn image serves a model."""

import csv
import json
import os
import re
import shutil
import subprocess

import pytest
from support.company_fork import REPOSITORY
from support.two_teams import apply, kubectl, pod, wait_until_ready

from titlebout.images import BUILDER_VARIABLE

LARGEST_MB = 450
TOOLS = ("pip", "pip3", "gcc", "cc", "g++", "c++", "clang", "make", "ld")
NAMED = ("bentoml", "onnxruntime")
FOREST = "forest"
# scikit-learn's forest accepts a missing value and the ONNX graph made of it does not, so the
# check of parity refuses the graph. A row takes 10 ms.
DIFFERENCES = {
    "candidates": {
        "forest": {
            "estimator": "sklearn.ensemble.RandomForestClassifier",
            "settings": {"n_estimators": 20, "min_samples_leaf": 10},
        }
    },
    "service": {"p99_ms": 1000, "requests_per_second": 10},
}


@pytest.fixture(scope="module")
def run_in_image(installed_fork, images):
    """Start a pod of the ONNX image under a team's rules.

    Yield a function that runs a command in it and returns what the command printed.
    """
    namespace = installed_fork.namespace("prod")
    manifest = pod("look", images["serving-onnx"], ["sleep", "600"])
    del manifest["spec"]["securityContext"]["runAsUser"]  # the image names its user
    apply(namespace, manifest)
    wait_until_ready(namespace, "look")
    try:
        yield lambda *command: kubectl("exec", "look", "--namespace", namespace, "--", *command)
    finally:
        kubectl("delete", "pod", "look", "--namespace", namespace)


def test_the_image_for_onnx_is_small(fork, images):
    """All layers of the ONNX image, unpacked, are within 450 MB."""
    assert size_mb(f"{fork.images}/serving-onnx") <= LARGEST_MB


def test_nobody_can_install_or_compile_in_it(run_in_image):
    """The image runs as user 1034, and has neither pip nor a compiler."""
    assert run_in_image("id", "-u").strip() == "1034"
    find_tools = (
        f"import json, shutil; print(json.dumps([tool for tool in {TOOLS} if shutil.which(tool)]))"
    )
    assert json.loads(run_in_image("python", "-c", find_tools)) == []
    find_pip = (
        "import importlib.util; "
        "print([name for name in ('pip', 'ensurepip') if importlib.util.find_spec(name)])"
    )
    for python in (
        "python",
        run_in_image(
            "python", "-c", "import os, sys; print(os.path.realpath(sys.executable))"
        ).strip(),
    ):
        assert run_in_image(python, "-c", find_pip).strip() == "[]"


def test_its_sbom_has_the_locked_versions(run_in_image):
    """The versions of the image's SBOM are the lock file's."""
    found = {
        one["name"]: one["version"]
        for one in json.loads(run_in_image("cat", "/opt/venv/sbom.cdx.json"))["components"]
    }
    locked = dict(
        re.findall(
            r"^([a-z0-9-]+)==(\S+)",
            (REPOSITORY / "images/serving/onnx.lock").read_text(),
            flags=re.MULTILINE,
        )
    )
    assert {name: found[name] for name in NAMED} == {name: locked[name] for name in NAMED}


def test_a_model_that_onnx_cannot_compute_is_served_by_scikit_learn(installed_fork):
    """A model without an ONNX graph is trained, released and asked like any other."""
    installed_fork.declare_model(FOREST, **DIFFERENCES)
    installed_fork.build_images("platform", "serving-sklearn")
    installed_fork.run("train", FOREST, "--env", "prod")
    installed_fork.run("release", FOREST, "--env", "prod")
    live = f"/api/v1/namespaces/{installed_fork.namespace('prod')}/services/{FOREST}:80/proxy"
    found = json.loads(kubectl("get", "--raw", f"{live}/release"))
    assert (found["model"], found["engine"]["name"]) == (FOREST, "sklearn")
    row = first_row(
        installed_fork, columns=[column["name"] for column in found["contract"]["inputs"]]
    )
    answer = json.loads(
        kubectl("create", "--raw", f"{live}/predict", "--filename", "-", stdin=json.dumps(row))
    )
    assert (answer["prediction"], answer["release"]) == ("malignant", found["release"])


def first_row(fork, *, columns):
    """Return the table's first row as a client sends it; its label is malignant."""
    with (fork.project / "models" / FOREST / "table.csv").open() as file:
        row = next(csv.DictReader(file))
    assert row["target"] == "malignant"
    return {column: float(row[column]) for column in columns}


def size_mb(image):
    """Return the size in MB, as the builder that built the image reports it."""
    if os.environ.get(BUILDER_VARIABLE) == "docker" or not shutil.which("buildah"):
        return int(output("docker", "image", "inspect", "--format", "{{.Size}}", image)) / 1e6
    number, unit = json.loads(output("buildah", "images", "--json", image))[0]["size"].split()
    return float(number) * {"MB": 1, "GB": 1000}[unit]


def output(*command):
    """Run a command and return what it printed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
