"""Connect a transaction to MLflow, BentoML and the server that a slot runs.

Each is imported when it is used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from titlebout.release.release_target import Adapters, Server
from titlebout.spec import Environment

if TYPE_CHECKING:
    from titlebout.registry import Registry


def _connect(project: Path, serve_environment: Environment) -> "Registry":
    from titlebout.registry import Registry

    return Registry.connect(project, serve_environment)


def _build(project: Path, model_folder: Path, to: Path) -> tuple[Path, str]:
    from titlebout.packaging import build_bento

    return build_bento(project, model_folder, to)


def _serve(package: Path, *, port: int, slot: str, release_file: Path, inference: Path) -> Server:
    from titlebout.packaging import sealed_files, serve_command, serve_environment

    variables = serve_environment(release_file=release_file, slot=slot, inference=inference)
    return Server(serve_command(package, port=port), variables, sealed_files(package))


def _build_image(project: Path, package: Path, *, images: str, model: str) -> str:
    from titlebout.packaging import build_release_image

    return build_release_image(project, package, images=images, model=model)


ADAPTERS = Adapters(connect=_connect, build=_build, serve=_serve, build_image=_build_image)
