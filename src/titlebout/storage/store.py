"""Where records and data live: a folder or an object store behind one fsspec URL, written whole or not at all."""

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
    """`root` is a URL that fsspec knows (s3://bucket/prefix) or a folder.

    Every method raises StorageError if the store is away or refuses; reading what is not there raises FileNotFoundError.
    An object store is asked up to 25 times, for minutes if it hangs; with `answer_seconds` once, for so long.
    """

    def __init__(self, root: str, *, answer_seconds: float | None = None) -> None:
        import fsspec  # here, because a rollback that moves the traffic has no storage to read

        options = _s3_options(answer_seconds) if root.startswith(S3) else {}
        self.filesystem, self.root = fsspec.core.url_to_fs(root, **options)
        if answer_seconds is not None and not self.is_local:
            self.filesystem.retries = 1

    def address(self, *parts: str) -> str:
        return "/".join((self.root.rstrip("/"), *parts))

    def exists(self, *parts: str) -> bool:
        with self._asking("look for", *parts):
            return bool(self.filesystem.exists(self.address(*parts)))

    def names(self, *parts: str) -> list[str]:
        """The names directly below a folder, sorted, but those of files that are being written; empty if there is no such folder."""
        if not self.exists(*parts):
            return []
        with self._asking("list", *parts):
            found = self.filesystem.ls(self.address(*parts), detail=False)
        last = (str(name).rstrip("/").rsplit("/", 1)[-1] for name in found)
        return sorted(name for name in last if not name.endswith(PARTIAL))

    def read(self, *parts: str) -> bytes:
        with self._asking("read", *parts):
            return bytes(self.filesystem.cat_file(self.address(*parts)))

    def write(self, content: bytes, *parts: str) -> None:
        """Readers see the old content or the new, never a part; local files are synced to disk before they appear."""
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
        return "file" in self.filesystem.protocol

    def write_record(self, record: Record, *parts: str) -> None:
        self.write(record.canonical_json().encode(), *parts)

    def read_record(self, kind: type[R], *parts: str, digest: str | None = None) -> R:
        """Raises IntegrityError if the content does not have the digest it is known by, or is no such record."""
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
        with self._asking("write", *parts):
            self.filesystem.makedirs(self.address(*parts), exist_ok=True)
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            self.write(path.read_bytes(), *parts, *path.relative_to(folder).parts)

    @contextmanager
    def _asking(self, what: str, *parts: str) -> Iterator[None]:
        """The store's errors in our own words; what is not there stays FileNotFoundError."""
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
                next_step="see whether the store runs, is reached and has room (titlebout doctor names a volume that is full), "
                "and whether the credentials may do this",
            ) from error

    def _faults(self) -> tuple[type[Exception], ...]:
        if self.is_local:
            return (OSError,)
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        return OSError, BotoCoreError, ClientError


def _s3_options(answer_seconds: float | None) -> dict[str, object]:
    """fsspec keeps one filesystem per set of options, and listings too: environments would share one store, and a stale view of it."""
    once = {
        "connect_timeout": answer_seconds,
        "read_timeout": answer_seconds,
        "retries": {"total_max_attempts": 1},
    }
    return {
        "config_kwargs": {} if answer_seconds is None else once,
        "endpoint_url": _variable("AWS_ENDPOINT_URL"),
        "key": _variable(
            "AWS_ACCESS_KEY_ID"
        ),  # none of them: the identity that the cloud gives the pod
        "secret": _variable("AWS_SECRET_ACCESS_KEY"),
        "use_listings_cache": False,
    }


def _variable(name: str) -> str | None:
    """Of a store that is reached from outside of its cluster, if there is one; else of this process."""
    return os.environ.get(f"{STORAGE_REACHED_PREFIX}{name}") or os.environ.get(name)


def ensure_bucket(name: str) -> None:
    """The bucket exists on the object store that the AWS_* variables name; waits for a store that is just starting."""
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
    """A relative folder counts from the project."""
    return Storage(str(project / url) if is_folder(url) else url)


def is_folder(url: str) -> bool:
    """Tell whether an environment's `storage` is a folder, and not a URL."""
    return "://" not in url


def state_home(project: Path) -> Path:
    """Where the embedded default keeps servers, slots and credentials; TITLEBOUT_HOME moves it."""
    return Path(os.environ.get(HOME_VARIABLE, project / ".titlebout")).resolve()


def make_state_home(project: Path) -> Path:
    """Return the state home, made if it is not there, and closed to other users: predictions, credentials and what is served lie in it.

    A folder that a person named and made keeps the rights that they gave it.
    """
    home = state_home(project)
    if not home.is_dir():
        home.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    elif HOME_VARIABLE not in os.environ and home.stat().st_mode & 0o777 != OWNER_ONLY:
        home.chmod(OWNER_ONLY)
    return home
