"""Build a release's container image: its engine's serving base, and its package in one layer."""

import io
import tarfile
import tempfile
from pathlib import Path

import yaml

from titlebout.images import build_image, noted_image, push_image
from titlebout.packaging.bento import BENTO_FILE, BENTO_SOURCE, MODEL
from titlebout.spec import CONTRACT_FILE, Contract, SpecError

BASES = {"onnx": "serving-onnx", "sklearn": "serving-sklearn"}
LOCKS = Path("images", "serving")
# ADD unpacks it; of folders that are copied, BuildKit does not keep the times.
PACKAGE = "bento.tar"
CONTAINERFILE = f"ARG BASE\nFROM ${{BASE}}\nADD {PACKAGE} /\n"
NO_TIME = "1970-01-01T00:00:00+00:00"  # when it was built does not belong to what it is
READABLE_FILE, READABLE_FOLDER = 0o644, 0o755


def build_release_image(project: Path, package: Path, *, images: str, model: str) -> str:
    """Build and push the image, and return `<images>/<model>@sha256:…`.

    The same package on the same base has the same digest. Raise NotAllowed without a base. Raise
    SpecError if the model needs what no base has, or if the registry refuses.
    """
    contract = Contract.from_json(package / BENTO_SOURCE / MODEL / CONTRACT_FILE)
    _check_requirements(project, contract)
    image = f"{images}/{model}"
    with tempfile.TemporaryDirectory(prefix="titlebout-image-") as folder:
        context = Path(folder)
        _pack(package, context / PACKAGE)
        file = context / "Containerfile"
        file.write_text(CONTAINERFILE)
        base = noted_image(project, BASES[contract.engine.name])
        build_image(context, file, image=image, arguments={"BASE": base}, reproducible=True)
        return push_image(image)


def _pack(package: Path, to: Path) -> None:
    """Write what BentoML reads when it serves to a tar file.

    It is readable for any user, and holds no time and no owner: a layer holds all of them.
    """
    described = yaml.safe_load((package / BENTO_FILE).read_text())
    described["creation_time"] = NO_TIME
    description = yaml.safe_dump(described).encode()
    with tarfile.open(to, "w", dereference=True) as tar:
        # Else the folder would have the time at which it was unpacked.
        tar.add(package, "bento", recursive=False, filter=_strip_metadata)
        entry = _strip_metadata(tarfile.TarInfo(f"bento/{BENTO_FILE}"))
        entry.size = len(description)
        tar.addfile(entry, io.BytesIO(description))
        tar.add(package / BENTO_SOURCE, f"bento/{BENTO_SOURCE}", filter=_strip_metadata)


def _strip_metadata(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    mode = READABLE_FOLDER if entry.isdir() else READABLE_FILE
    return entry.replace(mode=mode, mtime=0, uid=0, gid=0, uname="", gname="", deep=False)


def _check_requirements(project: Path, contract: Contract) -> None:
    """Raise SpecError if the base lacks a package that the model needs.

    A candidate's own estimator, such as LightGBM's, is there only if the fork put it there.
    """
    if contract.engine.name != "sklearn":
        return
    lock = project / LOCKS / "sklearn.lock"
    locked = lock.read_text()
    missing = [
        requirement for requirement in contract.requires if f"\n{requirement} " not in locked
    ]
    if missing:
        raise SpecError(
            str(lock),
            expected=f"{', '.join(missing)}, which the model of {contract.model} needs to serve",
            found="none, or another version",
            next_step="add it to pyproject.toml and to SERVES_SKLEARN in "
            "titlebout/packaging/requirements.py, then `make lock images`",
        )
