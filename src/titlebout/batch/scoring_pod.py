"""Score a table in a Job: `python -m titlebout.batch.scoring_pod MODEL ENV INPUT OUTPUT`.

Both the table and the result are in an object store.
"""

import sys
import tempfile
from pathlib import Path, PurePosixPath

from titlebout.batch.score_file import score_file
from titlebout.logs import configure_pod_logs
from titlebout.spec import find_project, run_in_pod


def score_object(model: str, environment: str, source: str, output: str) -> dict[str, object]:
    """Score a table that fsspec can address, and write the result where fsspec can address it.

    A result that is there already is left alone, whoever made it.
    """
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(output)
    if filesystem.exists(path):
        return {"out": output, "found": "already there"}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"made{PurePosixPath(path).suffix}"
        result = score_file(
            find_project(), model, environment, file=fetch(source, Path(folder)), out=made
        )
        filesystem.put_file(str(made), path)  # an object appears whole or not at all
    return {**result, "out": output}


def fetch(source: str, folder: Path) -> Path:
    """Copy the table, a file or a folder of parts, and return where it is, under its own name."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(source)
    local = folder / "source" / PurePosixPath(path).name
    local.parent.mkdir()
    if filesystem.isdir(path):
        filesystem.get(f"{path.rstrip('/')}/", f"{local}/", recursive=True)
    else:
        filesystem.get_file(path, str(local))
    return local


def main() -> None:
    """Score what the command line names, and write the result or the error."""
    configure_pod_logs()
    run_in_pod(lambda: score_object(*sys.argv[1:]))


if __name__ == "__main__":
    main()
