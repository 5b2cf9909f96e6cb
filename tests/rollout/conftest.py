"""Run two real slots behind a real Caddy, each with the tiny server."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
from support.free_ports import first_of_three

from titlebout.rollout import Deployment, EmbeddedSlots
from titlebout.rollout.ports import allocate_ports
from titlebout.spec import digest_of_folder

TINY_SERVER = Path(__file__).parents[1] / "support" / "tiny_server.py"


class Rig:
    """Deploy releases of the tiny server and switch between them.

    `rig.deploy(slot, "a")` puts release a there; its id is `rig.release("a")`.
    """

    def __init__(self, serving_home: Path, first_port: int) -> None:
        self.slots = EmbeddedSlots(
            serving_home / "tiny", allocate_ports(serving_home, "tiny", first=first_port)
        )

    def release(self, name):
        """Return the id of the release of that name."""
        return hashlib.sha256(name.encode()).hexdigest()

    def deployment(self, name, **behaviour):
        """Return the deployment of a release that behaves so."""
        folder = self.slots.home / "packages" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "behaviour.json").write_text(json.dumps(behaviour))
        (folder / "release.json").write_text(name)
        return Deployment(
            release=self.release(name),
            package=name,
            command=(sys.executable, "-S", str(TINY_SERVER), str(folder), "{port}"),
            environment={"TITLEBOUT_RELEASE_FILE": str(folder / "release.json")},
            folder=str(folder),
            sealed={str(folder): digest_of_folder(folder)},
        )

    def deploy(self, slot, name, **behaviour):
        """Deploy a release in the slot."""
        self.slots.undeploy(slot)
        deployment = self.deployment(name, **behaviour)
        command = tuple(part.format(port=self.slots.port(slot)) for part in deployment.command)
        self.slots.deploy(slot, deployment.model_copy(update={"command": command}))

    def switch(self, slot, *, kind="switched"):
        """Send the traffic to the slot."""
        live = self.slots.live()
        return self.slots.switch(
            slot,
            kind=kind,
            by="a test",
            reason="to see",
            evidence={},
            after=live.number if live else None,
        )

    def both_slots(self):
        """Make release a live in blue, and release b ready in green."""
        self.slots.start_proxy()
        for slot, name in (("blue", "a"), ("green", "b")):
            self.deploy(slot, name)
            self.slots.allow(slot)
        self.switch("blue")
        return self


@pytest.fixture
def rig(tmp_path, first_port):
    """Return a rig whose processes end with the test."""
    made = Rig(tmp_path / "serving", first_port)
    yield made
    made.slots.halt()


@pytest.fixture
def first_port():
    """Return the first of three free ports in a row."""
    return first_of_three()
