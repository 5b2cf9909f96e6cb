"""Keep predictions, and files that decide what is served, readable for their owner alone."""

import stat

from titlebout.atomic_files import PARTIAL
from titlebout.storage import state_home


def test_nobody_else_enters_the_state_home(release_project):
    """Close its folder, also one that an older version left open."""
    home = state_home(release_project.project)
    home.mkdir()
    home.chmod(0o755)
    release_project.released("a")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_what_a_model_is_served_by_only_its_owner_reads(release_project):
    """Keep every file of the serving closed, even if a person opens the folder."""
    release_project.released("a")
    release_project.released("b")
    home = state_home(release_project.project) / "prod"
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


def test_a_home_that_a_person_made_keeps_its_rights(release_project, tmp_path, monkeypatch):
    """Keep the rights of a TITLEBOUT_HOME that a group shares on purpose."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    monkeypatch.setenv("TITLEBOUT_HOME", str(shared))
    release_project.released("a")
    release_project.close()  # while the variable still says where
    assert stat.S_IMODE(shared.stat().st_mode) == 0o750


def test_a_release_deletes_what_a_killed_one_left(release_project):
    """Delete it in the model's folder and in storage."""
    release_project.released("a")
    dead = f"00000000.{_dead_writer()}{PARTIAL}"
    left = [
        release_project.slots.home / f".x.{dead}",
        release_project.project / "storage" / "releases" / f".y.{dead}",
    ]
    for path in left:
        path.touch()
    release_project.released("b")
    assert [path for path in left if path.exists()] == []


def _dead_writer():
    """Return this machine's name and the id of a process that cannot exist."""
    from titlebout.atomic_files import _writer

    return _writer(2**22 + 1)
