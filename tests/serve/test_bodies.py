"""Limit how many bytes of large requests are held at once, and refuse the others."""

import asyncio
from typing import Any

import pytest

from titlebout.serve import bodies
from titlebout.serve.bodies import FREE_BYTES, Body, ByteBudget, ClientLeft
from titlebout.serve.refusals import Overloaded

LARGE = FREE_BYTES * 4


class Sender:
    """Send a large body when the test allows it."""

    def __init__(self, *, says_length: bool = True) -> None:
        self.headers = {b"content-length": b"%d" % LARGE} if says_length else {}
        self.go, self.asked = asyncio.Event(), False

    async def receive(self) -> dict[str, Any]:
        """Send the body after `go` is set."""
        self.asked = True
        await self.go.wait()
        return {"type": "http.request", "body": b" " * LARGE, "more_body": False}

    async def read(self, budget: ByteBudget) -> int:
        """Return the number of bytes that the body has."""
        async with Body(budget, self.headers, self.receive) as body:
            return len(await body.read())


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a budget for three large bodies, of which two may wait."""
    monkeypatch.setattr(bodies, "BUDGET_BYTES", LARGE * 3)
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", LARGE)
    monkeypatch.setattr(bodies, "MOST_WAITING", 2)
    monkeypatch.setattr(bodies, "WAIT_SECONDS", 0.2)


def test_what_finds_no_room_is_not_read() -> None:
    """Refuse what does not fit in the budget before it is read.

    Two bodies wait and are refused when their time is over; more are refused at once. Small bodies
    need no budget.
    """

    async def run() -> None:
        budget, senders = ByteBudget(), [Sender() for _ in range(6)]
        tasks = [asyncio.create_task(sender.read(budget)) for sender in senders]
        await asyncio.sleep(0.05)
        assert [sender.asked for sender in senders] == [True] * 3 + [False] * 3
        assert [task.done() for task in tasks] == [False] * 5 + [True]
        small = Sender()
        small.headers = {b"content-length": b"1"}
        small.go.set()
        with pytest.raises(Overloaded):
            await asyncio.wait_for(tasks[5], 1)
        done = await asyncio.gather(*tasks[3:], return_exceptions=True)
        assert all(isinstance(error, Overloaded) for error in done)
        for sender in senders:
            sender.go.set()
        assert await asyncio.gather(*tasks[:3]) == [LARGE] * 3

    asyncio.run(run())


@pytest.mark.parametrize("says_length", [True, False])
def test_room_is_given_back(says_length: bool) -> None:
    """Free the bytes whether a body came, was too large, or its client left.

    A body that waits then has them.
    """

    async def run() -> None:
        budget = ByteBudget()
        for _ in range(10):
            sender = Sender(says_length=says_length)
            sender.go.set()
            assert await sender.read(budget) == LARGE
        leaving = [Body(budget, {b"content-length": b"%d" % LARGE}, left) for _ in range(10)]
        for body in leaving:
            with pytest.raises(ClientLeft):
                async with body:
                    await body.read()
        first = [Sender(says_length=says_length) for _ in range(4)]
        tasks = [asyncio.create_task(sender.read(budget)) for sender in first]
        await asyncio.sleep(0.05)
        for sender in first:
            sender.go.set()
        assert await asyncio.gather(*tasks) == [LARGE] * 4

    asyncio.run(run())


async def left() -> dict[str, Any]:
    """Say that the client closed the connection."""
    return {"type": "http.disconnect"}
