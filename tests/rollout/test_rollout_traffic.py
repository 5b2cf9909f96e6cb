"""Record the traffic's changes, and give models their ports."""

import pytest

from titlebout.rollout.ports import allocate_ports
from titlebout.rollout.traffic import Change, Traffic
from titlebout.spec import RolloutError


def change(number, release="r"):
    """Return a change with the number."""
    return Change(
        number=number,
        slot="blue",
        release=release,
        from_release=None,
        kind="switched",
        by="me",
        reason="why",
        time="2026-01-01",
        evidence={},
    )


def test_a_switch_killed_before_its_rename_changed_nothing_and_leaves_no_trace(tmp_path):
    """A folder without the link is no change; the next switch takes its number."""
    traffic = Traffic(tmp_path)
    traffic.move(change(1), dial="127.0.0.1:1")
    (tmp_path / "changes" / "2").mkdir()
    (tmp_path / "changes" / "2" / "dial").write_text("half")
    assert traffic.live().number == 1
    assert [one.number for one in traffic.history()] == [1]
    traffic.move(change(2, "other"), dial="127.0.0.1:2")
    assert (traffic.live().release, (tmp_path / "current" / "dial").read_text()) == (
        "other",
        "127.0.0.1:2",
    )
    assert [one.number for one in traffic.history()] == [1, 2]


def test_the_dial_and_the_change_move_together(tmp_path):
    """A reader that resolves the link once reads both of the same change."""
    traffic = Traffic(tmp_path)
    for number in (1, 2, 3):
        traffic.move(change(number), dial=f"127.0.0.1:{number}")
        folder = (tmp_path / "current").resolve()
        assert (folder.name, (folder / "dial").read_text()) == (str(number), f"127.0.0.1:{number}")


def test_models_get_consecutive_ports_and_keep_them(tmp_path):
    """Each model gets three ports in order, and the same ones the next time."""
    first, second = (allocate_ports(tmp_path, name, first=5700) for name in ("flights", "wages"))
    assert (first.live, first.blue, first.green) == (5700, 5701, 5702)
    assert (second.live, second.blue, second.green) == (5703, 5704, 5705)
    assert allocate_ports(tmp_path, "flights", first=5700) == first
    assert first.address != second.address


def test_no_ports_left_is_said(tmp_path):
    """The error says that there is no port beyond the last one."""
    with pytest.raises(RolloutError, match=r"serving\.port"):
        allocate_ports(tmp_path, "flights", first=65534)
