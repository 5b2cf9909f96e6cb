"""Files that hold predictions, or decide what is served, are their owner's alone; a release leaves nothing half written."""

import stat

from titlebout.storage import PARTIAL, state_home


def test_nobody_else_enters_the_state_home(house):
    """Its folder is closed, also one that an older version left open."""
    home = state_home(house.project)
    home.mkdir()
    home.chmod(0o755)
    house.released("a")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_what_a_model_is_served_by_only_its_owner_reads(house):
    """Even where a person opens the folder: records of slots and traffic, pid files, logs, the proxy's configuration, the ledger."""
    house.released("a")
    house.released("b")
    home = state_home(house.project) / "prod"
    kept = (path for path in home.rglob("*") if path.is_file() and "work" not in path.parts)
    files = [
        path for path in kept if path.suffix in (".json", ".log", ".db") or path.name == "dial"
    ]
    assert {
        "ports.json",
        "blue.json",
        "release.json",
        "change.json",
        "dial",
        "proxy.log",
        "ledger.db",
        "config.json",
    } <= {p.name for p in files}
    assert [str(path) for path in files if path.stat().st_mode & 0o077] == []


def test_a_home_that_a_person_made_keeps_its_rights(house, tmp_path, monkeypatch):
    """TITLEBOUT_HOME may be a folder that a group shares on purpose."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    monkeypatch.setenv("TITLEBOUT_HOME", str(shared))
    house.released("a")
    house.close()  # while the variable still says where
    assert stat.S_IMODE(shared.stat().st_mode) == 0o750


def test_a_release_deletes_what_a_killed_one_left(house):
    """In the model's folder and in storage."""
    house.released("a")
    dead = f"00000000.{_dead_writer()}{PARTIAL}"
    left = [house.slots.home / f".x.{dead}", house.project / "storage" / "releases" / f".y.{dead}"]
    for path in left:
        path.touch()
    house.released("b")
    assert [path for path in left if path.exists()] == []


def _dead_writer():
    """This machine's name and a process that cannot be."""
    from titlebout.storage.store import _writer

    return _writer(2**22 + 1)
