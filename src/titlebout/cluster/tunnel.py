"""Reach a Service from outside the cluster, by `kubectl port-forward`, for as long as needed."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from titlebout.cluster.helm import program_path
from titlebout.spec import ClusterError
from titlebout.waiting import wait_until

OPEN_SECONDS = 20.0  # 0.3 s where the Service has a ready pod
POLL_SECONDS = 0.02
FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextmanager
def tunnel(context: str | None, namespace: str, service: str, port: int) -> Iterator[str]:
    """Yield the local address, such as http://127.0.0.1:41233.

    Raise ClusterError if the Service has no ready pod.
    """
    command = [
        program_path("kubectl"),
        "port-forward",
        "--namespace",
        namespace,
        f"service/{service}",
        f":{port}",
    ]
    command += ["--context", context] if context else []
    with (
        tempfile.NamedTemporaryFile("w+") as output,
        subprocess.Popen(command, stdout=output, stderr=output, text=True) as process,
    ):
        try:
            subject = f"Service {service} in {namespace}"
            yield f"http://127.0.0.1:{_local_port(process, Path(output.name), subject)}"
        finally:
            process.terminate()
            process.wait()


def _local_port(process: subprocess.Popen[str], output: Path, subject: str) -> int:
    def find_port() -> int | None:
        text = output.read_text()
        if found := FORWARDED.search(text):
            return int(found[1])
        if process.poll() is not None:
            raise ClusterError(
                subject,
                expected="a ready pod and the right to forward a port to it",
                found=" ".join(text.split()),
                next_step="run `titlebout doctor`",
            )
        return None

    port = wait_until(find_port, seconds=OPEN_SECONDS, poll_seconds=POLL_SECONDS)
    if port is None:
        raise ClusterError(
            subject,
            expected="a tunnel",
            found=f"none after {OPEN_SECONDS:.0f} s",
            next_step="run `titlebout doctor`",
        )
    return port
