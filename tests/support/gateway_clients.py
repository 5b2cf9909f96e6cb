"""Name the Gateway of the test cluster, and send requests to it as clients do."""

import http.client
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from titlebout.cluster import Api
from titlebout.spec import Gateway
from titlebout.spec.http_route import GATEWAYS, GROUP, VERSION

_NAMESPACE, _, _NAME = os.environ.get(
    "TITLEBOUT_TEST_GATEWAY", "envoy-gateway-system/lab"
).partition("/")
GATEWAY = Gateway(
    namespace=_NAMESPACE,
    name=_NAME,
    domain="test",
    proxies=os.environ.get("TITLEBOUT_TEST_GATEWAY_PROXIES"),
)
Answer = tuple[Any, ...]
PORT = int(os.environ.get("TITLEBOUT_TEST_GATEWAY_PORT", "30080"))
PAUSE_SECONDS = 0.02  # of a client between two requests


def missing_gateway() -> str:
    """Return why the tests of strategies cannot run here; an empty text if they can."""
    if "KUBECONFIG" not in os.environ:
        return ""  # then nothing of tests/cluster runs
    api = Api(None)
    found = api.find(
        api.custom.get_namespaced_custom_object,
        GROUP,
        VERSION,
        GATEWAY.namespace,
        GATEWAYS,
        GATEWAY.name,
    )
    if found:
        return ""
    return (
        f"needs a Gateway: no {GATEWAY.namespace}/{GATEWAY.name} in this cluster; "
        "name another in TITLEBOUT_TEST_GATEWAY"
    )


def ask(host: str, body: bytes, **headers: str) -> tuple[int, bytes, str]:
    """Send one prediction on a new connection, and return its status, body and cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    connection.request(
        "POST",
        "/predict",
        body,
        {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}},
    )
    reply = connection.getresponse()
    answer = reply.read()
    connection.close()
    return reply.status, answer, (reply.getheader("Set-Cookie") or "").split(";")[0]


@contextmanager
def load(ask_once: Callable[[], Answer], *, clients: int) -> Iterator[list[Answer]]:
    """Let clients send one request after the other, and yield the growing list of answers.

    A request without an answer becomes (0, error).
    """
    answers, ended = list[Answer](), threading.Event()

    def client() -> None:
        while not ended.is_set():
            try:
                answers.append(ask_once())
            except OSError as error:
                answers.append((0, str(error)))
            ended.wait(PAUSE_SECONDS)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()
