"""Run small requests on the event loop, and larger ones in threads: nobody waits for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from titlebout.serve.flat_json import SMALL_BYTES

HEAVY_BYTES = 1 << 20  # takes tenths of a second
Result = TypeVar("Result")


class WorkerThreads:
    """Run medium requests in one thread and heavy ones in another.

    More threads would take turns with the event loop, which would wait for each.
    """

    def __init__(self) -> None:
        self._medium, self._heavy = (
            ThreadPoolExecutor(1, thread_name_prefix=f"requests-{name}")
            for name in ("medium", "heavy")
        )

    async def run(self, work: Callable[[], Result], *, size: int) -> Result:
        """Do the work of a request with a body of so many bytes."""
        if size <= SMALL_BYTES:
            return work()
        pool = self._heavy if size > HEAVY_BYTES else self._medium
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def close(self) -> None:
        """Wait for the work under way, and end the threads."""
        for pool in (self._medium, self._heavy):
            pool.shutdown()
