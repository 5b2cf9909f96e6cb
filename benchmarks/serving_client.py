"""Ask a server in a closed loop with a few clients, over bare sockets.

They keep their connections as long as the server does. A larger client would measure itself.
"""

import asyncio
import time


def requests_per_second(
    port: int, body: bytes, *, seconds: float, clients: int
) -> tuple[float, float]:
    """Return requests answered per second, and the median latency in ms.

    Raise RuntimeError at the first answer that is not 200.
    """
    latencies = asyncio.run(_run(port, body, seconds=seconds, clients=clients))
    return len(latencies) / seconds, sorted(latencies)[len(latencies) // 2] * 1000


async def _run(port: int, body: bytes, *, seconds: float, clients: int) -> list[float]:
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    end = time.perf_counter() + seconds
    results = await asyncio.gather(
        *[_client(port, head.encode() + body, end) for _ in range(clients)]
    )
    return [latency for result in results for latency in result]


async def _client(port: int, request: bytes, end: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies = []
    while (started := time.perf_counter()) < end:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        if b" 200 " not in head.split(b"\r\n")[0] + b" ":
            raise RuntimeError(f"answered {head!r} {body!r}")
        latencies.append(time.perf_counter() - started)
        if b"connection: close" in head:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return latencies
