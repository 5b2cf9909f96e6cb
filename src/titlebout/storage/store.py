"""Store records and data in a folder or an object store, each file whole or not at all.

One fsspec URL names the folder or the object store.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from titlebout.atomic_files import PARTIAL, write_whole
from titlebout.spec import IntegrityError, Record, StorageError
from titlebout.spec.object_names import STORAGE_REACHED_PREFIX
from titlebout.waiting import retry

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)
S3 = "s3://"
HOME_VARIABLE = "TITLEBOUT_HOME"
OWNER_ONLY = 0o700
BUCKET_POLL_SECONDS = 1.0
BUCKET_SECONDS = 120.0  # an object store with an empty disk answers after some ten seconds


class Storage:
    """Read and write below `root`: a URL that fsspec knows (s3://bucket/prefix) or a folder.

    Every method raises StorageError if the store does not answer or refuses. Reading what does not
    exist raises FileNotFoundError. A request to an object store is tried up to 25 times, for
    minutes if the store hangs. With `answer_seconds` it is tried once, for so many seconds.
    """

    def __init__(self, root: str, *, answer_seconds: float | None = None) -> None:
        import fsspec  # here, because a rollback that moves the traffic has no storage to read

        options = _s3_options(answer_seconds) if root.startswith(S3) else {}
        self.filesystem, self.root = fsspec.core.url_to_fs(root, **options)
        if answer_seconds is not None and not self.is_local:
            self.filesystem.retries = 1

    def address(self, *parts: str) -> str:
        """Return the full path or URL of what lies at `parts` below the root."""
        return "/".join((self.root.rstrip("/"), *parts))

    def exists(self, *parts: str) -> bool:
        """Tell whether a file or folder is at the path."""
        with self._asking("look for", *parts):
            return bool(self.filesystem.exists(self.address(*parts)))

    def names(self, *parts: str) -> list[str]:
        """Return the names directly below a folder, sorted; none if there is no such folder.

        Files that are still being written are left out.
        """
        if not self.exists(*parts):
            return []
        with self._asking("list", *parts):
            found = self.filesystem.ls(self.address(*parts), detail=False)
        last = (str(name).rstrip("/").rsplit("/", 1)[-1] for name in found)
        return sorted(name for name in last if not name.endswith(PARTIAL))

    def read(self, *parts: str) -> bytes:
        """Return the content of a file. Raise FileNotFoundError if there is none."""
        with self._asking("read", *parts):
            return bytes(self.filesystem.cat_file(self.address(*parts)))

    def write(self, content: bytes, *parts: str) -> None:
        """Write a file so that readers see the old content or the new, never a part.

        A local file is synced to disk before it appears under its name.
        """
        address = self.address(*parts)
        log.debug("write %s, %d bytes", address, len(content))
        with self._asking("write", *parts):
            self.filesystem.makedirs(address.rsplit("/", 1)[0], exist_ok=True)
            if self.is_local:
                with write_whole(Path(address)) as file:
                    file.write(content)
            else:
                self.filesystem.pipe_file(address, content)

    @property
    def is_local(self) -> bool:
        """Tell whether the root is a folder of this machine."""
        return "file" in self.filesystem.protocol

    def write_record(self, record: Record, *parts: str) -> None:
        """Write a record as canonical JSON, of which its digest is made."""
        self.write(record.canonical_json().encode(), *parts)

    def read_record(self, kind: type[R], *parts: str, digest: str | None = None) -> R:
        """Return a record of the kind.

        Raise IntegrityError if the content is no such record or does not have the `digest`, and
        FileNotFoundError if there is no file.
        """
        try:
            record = kind.model_validate_json(self.read(*parts))
        except ValidationError as error:
            raise IntegrityError(
                self.address(*parts),
                expected=f"a {kind.__name__} record",
                found=f"{error.error_count()} errors, the first: {error.errors()[0]['msg']}",
                next_step="restore the file from a backup; it was altered",
            ) from error
        if digest is not None and record.digest != digest:
            raise IntegrityError(
                self.address(*parts),
                expected=f"digest {digest}",
                found=f"digest {record.digest}",
                next_step="restore the file from a backup; it was altered",
            )
        return record

    def put_folder(self, folder: Path, *parts: str) -> None:
        """Write every file of a folder below the path."""
        with self._asking("write", *parts):
            self.filesystem.makedirs(self.address(*parts), exist_ok=True)
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            self.write(path.read_bytes(), *parts, *path.relative_to(folder).parts)

    @contextmanager
    def _asking(self, what: str, *parts: str) -> Iterator[None]:
        """Raise the store's errors as StorageError, but leave FileNotFoundError as it is."""
        try:
            yield
        except FileNotFoundError:
            raise
        except self._faults() as error:
            where = (
                "this machine"
                if self.is_local
                else _variable("AWS_ENDPOINT_URL") or "the cloud's own address"
            )
            raise StorageError(
                self.address(*parts),
                expected=f"a store that lets us {what} it, at {where}",
                found=" ".join(str(error).split()).rstrip(".") or type(error).__name__,
                next_step="check that the store runs, can be reached and has free space "
                "(titlebout doctor names a full volume), and that the credentials allow this",
            ) from error

    def _faults(self) -> tuple[type[Exception], ...]:
        if self.is_local:
            return (OSError,)
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        return OSError, BotoCoreError, ClientError


def _s3_options(answer_seconds: float | None) -> dict[str, object]:
    """Return fsspec's options for S3, without its cache of listings.

    fsspec keeps one filesystem and its listings per set of options. Environments would share a
    store and see old listings of it.
    """
    once = {
        "connect_timeout": answer_seconds,
        "read_timeout": answer_seconds,
        "retries": {"total_max_attempts": 1},
    }
    return {
        "config_kwargs": {} if answer_seconds is None else once,
        "endpoint_url": _variable("AWS_ENDPOINT_URL"),
        # Without key and secret the pod's own identity is used, which the cloud gives it.
        "key": _variable("AWS_ACCESS_KEY_ID"),
        "secret": _variable("AWS_SECRET_ACCESS_KEY"),
        "use_listings_cache": False,
    }


def _variable(name: str) -> str | None:
    """Return the value for a store that is reached from outside its cluster, else the usual one."""
    return os.environ.get(f"{STORAGE_REACHED_PREFIX}{name}") or os.environ.get(name)


def ensure_bucket(name: str) -> None:
    """Make the bucket on the object store that the AWS_* variables name, unless it exists.

    Wait up to BUCKET_SECONDS for a store that is just starting. Raise StorageError after that.
    """
    import fsspec
    from botocore.exceptions import BotoCoreError

    filesystem = fsspec.filesystem("s3", skip_instance_cache=True)

    def ensure() -> None:
        if not filesystem.exists(name):
            filesystem.mkdir(name)

    try:
        retry(
            ensure,
            OSError,
            BotoCoreError,
            seconds=BUCKET_SECONDS,
            poll_seconds=BUCKET_POLL_SECONDS,
        )
    except (OSError, BotoCoreError) as error:
        raise StorageError(
            f"bucket {name}",
            expected=f"an object store that answers within {BUCKET_SECONDS:.0f} s",
            found=str(error).rstrip("."),
            next_step="read the log of the object store",
        ) from error


def open_storage(project: Path, url: str) -> Storage:
    """Return the storage at a URL or folder. A relative folder is below the project."""
    return Storage(str(project / url) if is_folder(url) else url)


def is_folder(url: str) -> bool:
    """Tell whether an environment's `storage` is a folder, and not a URL."""
    return "://" not in url


def state_home(project: Path) -> Path:
    """Return the folder of this machine's servers, slots and credentials.

    TITLEBOUT_HOME moves it.
    """
    return Path(os.environ.get(HOME_VARIABLE, project / ".titlebout")).resolve()


def make_state_home(project: Path) -> Path:
    """Return the state home; make it if needed, readable by its owner only.

    It holds predictions, credentials and what is served. A folder that TITLEBOUT_HOME names and
    that exists keeps its rights.
    """
    home = state_home(project)
    if not home.is_dir():
        home.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    elif HOME_VARIABLE not in os.environ and home.stat().st_mode & 0o777 != OWNER_ONLY:
        home.chmod(OWNER_ONLY)
    return home
