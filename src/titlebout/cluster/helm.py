"""Run Helm as a program, to install, read and remove charts."""

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from titlebout.cluster.api import Api
from titlebout.cluster.pods import why_not_ready
from titlebout.spec import ClusterError

log = logging.getLogger(__name__)

ERROR_CHARACTERS = 700  # the end of what Helm printed has the reason in it
NOT_FOUND = "not found"
TOO_LATE = "deadline exceeded"


class Helm:
    """Run Helm on one cluster. `context` is as for Api."""

    def __init__(self, context: str | None) -> None:
        self._api, self._context = Api(context), ("--kube-context", context) if context else ()

    def upgrade(
        self,
        release: str,
        chart: Path,
        *,
        namespace: str,
        values: dict[str, Any],
        wait_seconds: float | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        """Install or upgrade a chart; with `wait_seconds`, return when everything is ready.

        What a killed Helm left pending is resolved first: Helm itself would refuse to go on. Raise
        ClusterError with Helm's own reason.
        """
        subject = f"{chart.name} {release} in {namespace}"
        self._resolve_pending(release, namespace=namespace)
        waiting = (
            ("--wait", "--wait-for-jobs", "--timeout", f"{wait_seconds:.0f}s")
            if wait_seconds is not None
            else ()
        )
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(values, file)
            file.flush()
            install = (
                "upgrade",
                "--install",
                release,
                str(chart),
                "--values",
                file.name,
                "--history-max",
                "5",
            )
            done = self._call(*install, *waiting, *arguments, namespace=namespace)
        if done.returncode != 0 and wait_seconds is not None and TOO_LATE in done.stderr:
            raise self._not_ready(done, subject, namespace=namespace, seconds=wait_seconds)
        self._output_of(done, subject)

    def _not_ready(
        self,
        done: subprocess.CompletedProcess[str],
        subject: str,
        *,
        namespace: str,
        seconds: float,
    ) -> ClusterError:
        """Return the error for a chart that was not ready in time.

        It has Helm's own words in it: the deadline may have been another one, such as a webhook's.
        """
        found = why_not_ready(self._api, namespace) or "everything ready, but too late"
        return ClusterError(
            subject,
            expected=f"to be ready within {seconds:.0f} s",
            found=f"{found}; Helm says: {_reason(done)}",
            next_step="fix what is named, and run the command again; "
            f"kubectl get events -n {namespace} tells more",
        )

    def uninstall(self, release: str, *, namespace: str, wait_seconds: float | None = None) -> None:
        """Remove the release, if there is one."""
        waiting = (
            ("--wait", "--timeout", f"{wait_seconds:.0f}s") if wait_seconds is not None else ()
        )
        self._run(
            "uninstall",
            release,
            "--ignore-not-found",
            *waiting,
            namespace=namespace,
            subject=f"chart release {release} in {namespace}",
        )

    def template(
        self,
        release: str,
        chart: Path,
        *,
        namespace: str,
        values: dict[str, Any],
        arguments: tuple[str, ...] = (),
    ) -> str:
        """Return the manifests, as YAML.

        It needs no cluster, unless `--dry-run=server` lets the chart read what exists.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(values, file)
            file.flush()
            command = ("template", release, str(chart), "--values", file.name, *arguments)
            return self._run(*command, namespace=namespace, subject=f"chart {chart.name}")

    def values(self, release: str, *, namespace: str) -> dict[str, Any] | None:
        """Return the values that the release was last installed with, or None if there is none."""
        status = self.status(release, namespace=namespace)
        return None if status is None else dict(status.get("config") or {})

    def status(self, release: str, *, namespace: str) -> dict[str, Any] | None:
        """Return Helm's own record of the release, or None if there is none."""
        done = self._call("status", release, "--output", "json", namespace=namespace)
        if done.returncode != 0 and NOT_FOUND in done.stderr:
            return None
        return dict(json.loads(self._output_of(done, f"chart release {release} in {namespace}")))

    def releases(self, *, namespace: str) -> list[str]:
        """Return the names of all chart releases in the namespace, whatever their state."""
        return self._run(
            "list",
            "--all",
            "--short",
            namespace=namespace,
            subject=f"chart releases in {namespace}",
        ).split()

    def _resolve_pending(self, release: str, *, namespace: str) -> None:
        status = self.status(release, namespace=namespace)
        if status is None or not str(status["info"]["status"]).startswith("pending-"):
            return
        subject = f"chart release {release} in {namespace}"
        if status["version"] == 1:
            self._run("uninstall", release, "--wait", namespace=namespace, subject=subject)
        else:
            self._run("rollback", release, namespace=namespace, subject=subject)

    def _run(self, *arguments: str, namespace: str, subject: str) -> str:
        return self._output_of(self._call(*arguments, namespace=namespace), subject)

    def _call(self, *arguments: str, namespace: str) -> subprocess.CompletedProcess[str]:
        command = [program_path("helm"), *arguments, "--namespace", namespace, *self._context]
        log.debug("helm %s in %s", arguments[0], namespace)
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @staticmethod
    def _output_of(done: subprocess.CompletedProcess[str], subject: str) -> str:
        if done.returncode != 0:
            next_step = "fix the values, or look at the pods' events"
            raise ClusterError(
                subject, expected="helm to succeed", found=_reason(done), next_step=next_step
            )
        return done.stdout


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split())[-ERROR_CHARACTERS:]


def program_path(name: str) -> str:
    """Return the path of a program: beside this Python, else on PATH.

    Raise ClusterError if there is none.
    """
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return str(beside)
    if found := shutil.which(name):
        return found
    raise ClusterError(
        name, expected="the program", found="nothing on PATH", next_step="run `make install`"
    )
