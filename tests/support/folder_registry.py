"""Keep versions, aliases and runs' files in one folder, to test steps without an MLflow server."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from titlebout.registry import Version
from titlebout.spec import Contract, IntegrityError, digest_of_folder


class FolderRegistry:
    """Do in a folder what steps, a release's approval and batch scoring need of the registry.

    A download verifies the digest, as the real registry does.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions: list[Version] = []
        self.aliases: dict[tuple[str, str], str] = {}
        self.runs = 0

    def ensure_model(self, name: str) -> None:
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def start_run(self, model: str, name: str, tags: Mapping[str, str]) -> str:
        self.runs += 1
        return f"run-{self.runs}"

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None: ...

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None: ...

    def finish_run(self, run_id: str, status: str = "FINISHED") -> None: ...

    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        (self.root / run_id / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, self.root / run_id / folder / path.name)

    def download_artifact(self, run_id: str, path: str, to: Path) -> Path:
        return Path(shutil.copytree(self.root / run_id / path, to / path))

    def register(
        self, model: str, run_id: str, folder: Path, contract: Contract, tags: Mapping[str, str]
    ) -> Version:
        number = str(1 + sum(one.model == model for one in self.versions))
        shutil.copytree(folder, self.root / model / number)
        registered = Version(
            model=model,
            version=number,
            run_id=run_id,
            tags={**tags, "model_digest": digest_of_folder(folder)},
        )
        self.versions.append(registered)
        return registered

    def find(
        self,
        model: str,
        *,
        alias: str | None = None,
        version: str | None = None,
        digest: str | None = None,
    ) -> Version | None:
        wanted = self.aliases.get((model, alias)) if alias else version
        of_model = [one for one in reversed(self.versions) if one.model == model]
        return next(
            (one for one in of_model if one.version == wanted or (digest and one.digest == digest)),
            None,
        )

    def newest(self, model: str) -> Version | None:
        return next((one for one in reversed(self.versions) if one.model == model), None)

    def tag(self, version: Version, **tags: str) -> None:
        version.tags.update(tags)

    def set_alias(self, model: str, alias: str, version: Version) -> None:
        self.aliases[model, alias] = version.version

    def clear_alias(self, model: str, alias: str) -> None:
        self.aliases.pop((model, alias), None)

    def download(self, version: Version, to: Path) -> Path:
        if not to.exists():
            shutil.copytree(self.root / version.model / version.version, to)
        if (found := digest_of_folder(to)) != version.digest:
            raise IntegrityError(
                str(to),
                expected=f"model digest {version.digest}",
                found=f"digest {found}",
                next_step="restore it",
            )
        return to
