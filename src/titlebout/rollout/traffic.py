"""Hold where the requests of one model go.

The symbolic link `current` names the folder of the change in force. The folder holds `dial`, which
the proxy reads for every request, and `change.json`: who moved the traffic, when and why. One
atomic rename of the link therefore moves the traffic and records the intent together, and the
ledger can always be updated from it.

Beside them lie `settled.json`, once the change's bake went well, and `recorded.json`, the hashes of
what the ledger wrote about the change. By them a ledger that is lost, or was made anew, is found.
"""

import logging
import shutil
from pathlib import Path
from typing import Any, Literal

from titlebout.atomic_files import sync_folder, write_durably
from titlebout.spec import Record, SlotName

log = logging.getLogger(__name__)

CURRENT = "current"
DIAL_FILE = "dial"
CHANGE_FILE = "change.json"
SETTLED_FILE = "settled.json"
RECORDED_FILE = "recorded.json"


class Change(Record):
    """Hold one change of the traffic.

    `number` counts them from 1, `from_release` is what was live before.
    """

    number: int
    slot: SlotName
    release: str
    from_release: str | None
    kind: Literal["switched", "rolled_back"]
    by: str
    reason: str
    time: str
    evidence: dict[str, Any]

    @property
    def recently_live(self) -> set[str]:
        """Return the releases that are live, or just were and were rolled back.

        None of them is released again by itself.
        """
        return {self.release} | (
            {self.from_release} if self.kind == "rolled_back" and self.from_release else set()
        )


class Settled(Record):
    """Say that the bake of a change went well: who says so, why and when."""

    by: str
    reason: str
    time: str


class Recorded(Record):
    """Hold what a ledger wrote about a change: the hash of each entry, by its key."""

    hashes: dict[str, str]


class Traffic:
    """Read and move the traffic of one model."""

    def __init__(self, home: Path) -> None:
        self.current, self.folder = home / CURRENT, home / "changes"

    def live(self) -> Change | None:
        """Return the change in force; None before the first."""
        return Change.from_json(self.current / CHANGE_FILE) if self.current.is_symlink() else None

    def history(self, *, since: int = 1) -> list[Change]:
        """Return every change from number `since` to the one in force, oldest first.

        A folder that the link never reached was no change.
        """
        live = self.live()
        numbers = range(since, live.number + 1) if live else ()
        return [
            Change.from_json(self._folder_of(n) / CHANGE_FILE)
            for n in numbers
            if self._folder_of(n).is_dir()
        ]

    def move(self, change: Change, *, dial: str) -> None:
        """Switch the traffic to the change.

        Killed before the rename, it has changed nothing; after it, everything.
        """
        folder = self._folder_of(change.number)
        # Left by a switch that was killed before its rename, so it was never in force.
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        write_durably(folder / DIAL_FILE, dial)
        write_durably(folder / CHANGE_FILE, change.canonical_json())
        sync_folder(self.folder)
        partial = self.current.with_name(f".{CURRENT}.partial")
        partial.unlink(missing_ok=True)
        partial.symlink_to(folder.relative_to(self.current.parent))
        partial.replace(self.current)
        sync_folder(self.current.parent)
        log.info("traffic of %s goes to %s by change %d", self.current.parent, dial, change.number)

    def settle(self, number: int, settled: Settled) -> None:
        """Note that the bake of the change went well; what was noted first stays."""
        if self.settled(number) is None:
            write_durably(self._folder_of(number) / SETTLED_FILE, settled.canonical_json())

    def settled(self, number: int) -> Settled | None:
        """Return what was noted when the change's bake ended; None if it has not, or failed."""
        path = self._folder_of(number) / SETTLED_FILE
        return Settled.from_json(path) if path.is_file() else None

    def note_recorded(self, number: int, recorded: Recorded) -> None:
        """Keep what the ledger wrote about the change."""
        write_durably(self._folder_of(number) / RECORDED_FILE, recorded.canonical_json())

    def recorded(self, number: int) -> Recorded:
        """Return what the ledger is known to have written about the change."""
        path = self._folder_of(number) / RECORDED_FILE
        return Recorded.from_json(path) if path.is_file() else Recorded(hashes={})

    def _folder_of(self, number: int) -> Path:
        return self.folder / str(number)
