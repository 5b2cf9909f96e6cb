"""A release as a container image: the serving base of its engine, and its package in one layer of its own."""

import os
import shutil
import tempfile
from pathlib import Path

import yaml

from titlebout.images import build_image, noted_image, push_image
from titlebout.serve.package import BENTO_FILE, BENTO_SOURCE, MODEL
from titlebout.spec import CONTRACT_FILE, Contract, SpecError

BASES = {"onnx": "serving-onnx", "sklearn": "serving-sklearn"}
LOCKS = Path("images", "serving")
# `layer` holds bento/. BuildKit gives all that lies in a copied folder its times, but not that folder's own target: /bento, were it bento.
CONTAINERFILE = "ARG BASE\nFROM ${BASE}\nCOPY layer /\n"
NO_TIME = "1970-01-01T00:00:00+00:00"  # when it was built does not belong to what it is
NO_FILE_TIME = (0, 0)  # accessed and modified; BuildKit keeps those of the files that it copies
READABLE_FILE, READABLE_FOLDER = 0o644, 0o755


def build_release_image(project: Path, package: Path, *, images: str, model: str) -> str:
    """`<images>/<model>@sha256:…`, pushed; the same package on the same base has the same digest.

    Raises NotAllowed without a base, SpecError if the model needs what no base has, or the registry refuses.
    """
    contract = Contract.from_json(package / BENTO_SOURCE / MODEL / CONTRACT_FILE)
    _check_requirements(project, contract)
    image = f"{images}/{model}"
    with tempfile.TemporaryDirectory(prefix="titlebout-image-") as folder:
        context = Path(folder)
        _lay_out(package, context / "layer" / "bento")
        file = context / "Containerfile"
        file.write_text(CONTAINERFILE)
        base = noted_image(project, BASES[contract.engine.name])
        build_image(context, file, image=image, arguments={"BASE": base}, reproducible=True)
        return push_image(image)


def _lay_out(package: Path, to: Path) -> None:
    """What BentoML reads when it serves, readable for any user, and of no time: a layer holds both."""
    shutil.copytree(package / BENTO_SOURCE, to / BENTO_SOURCE)
    described = yaml.safe_load((package / BENTO_FILE).read_text())
    described["creation_time"] = NO_TIME
    (to / BENTO_FILE).write_text(yaml.safe_dump(described))
    for path in (to, *to.rglob("*")):
        path.chmod(READABLE_FOLDER if path.is_dir() else READABLE_FILE)
        os.utime(path, NO_FILE_TIME)


def _check_requirements(project: Path, contract: Contract) -> None:
    """A candidate's own estimator, such as LightGBM's, is not in the base unless the fork put it there."""
    if contract.engine.name != "sklearn":
        return
    lock = project / LOCKS / "sklearn.lock"
    locked = lock.read_text()
    missing = [requirement for requirement in contract.requires if f"\n{requirement} " not in locked]
    if missing:
        raise SpecError(
            str(lock),
            expected=f"{', '.join(missing)}, which the model of {contract.model} needs to serve",
            found="none, or another version",
            next_step="add it to pyproject.toml and to SERVES_SKLEARN in titlebout/serve/pins.py, then `make lock images`",
        )
