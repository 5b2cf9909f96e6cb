"""Helm, run as a program: charts are installed, looked at and removed by it alone."""

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

ERROR_CHARACTERS = 700  # the end of what Helm printed, where the reason stands
NOT_FOUND = "not found"
TOO_LATE = "deadline exceeded"


class Helm:
    """`context` as for Api."""

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
        """Install or upgrade; with `wait_seconds`, return when everything is ready. Raises ClusterError with Helm's own reason.

        What a killed Helm left pending is taken up: Helm itself would refuse to go on from there.
        """
        subject = f"{chart.name} {release} in {namespace}"
        self._unlock(release, namespace=namespace)
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
        self._checked(done, subject)

    def _not_ready(
        self,
        done: subprocess.CompletedProcess[str],
        subject: str,
        *,
        namespace: str,
        seconds: float,
    ) -> ClusterError:
        """With Helm's own words: the deadline may have been another's than the wait's, such as a webhook's."""
        found = why_not_ready(self._api, namespace) or "everything ready, but too late"
        return ClusterError(
            subject,
            expected=f"to be ready within {seconds:.0f} s",
            found=f"{found}; Helm says: {_reason(done)}",
            next_step=f"fix what is named, and run the command again; kubectl get events -n {namespace} tells more",
        )

    def uninstall(self, release: str, *, namespace: str, wait_seconds: float | None = None) -> None:
        """Nothing happens if there is no such release."""
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
        """The manifests, as YAML; needs no cluster, unless `--dry-run=server` lets the chart look up what is there."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(values, file)
            file.flush()
            command = ("template", release, str(chart), "--values", file.name, *arguments)
            return self._run(*command, namespace=namespace, subject=f"chart {chart.name}")

    def values(self, release: str, *, namespace: str) -> dict[str, Any] | None:
        """What the release was last installed with; None if there is none."""
        status = self.status(release, namespace=namespace)
        return None if status is None else dict(status.get("config") or {})

    def status(self, release: str, *, namespace: str) -> dict[str, Any] | None:
        """Helm's own record of the release; None if there is none."""
        done = self._call("status", release, "--output", "json", namespace=namespace)
        if done.returncode != 0 and NOT_FOUND in done.stderr:
            return None
        return dict(json.loads(self._checked(done, f"chart release {release} in {namespace}")))

    def releases(self, *, namespace: str) -> list[str]:
        """The names of all chart releases in the namespace, whatever their state."""
        return self._run(
            "list",
            "--all",
            "--short",
            namespace=namespace,
            subject=f"chart releases in {namespace}",
        ).split()

    def _unlock(self, release: str, *, namespace: str) -> None:
        status = self.status(release, namespace=namespace)
        if status is None or not str(status["info"]["status"]).startswith("pending-"):
            return
        subject = f"chart release {release} in {namespace}"
        if status["version"] == 1:
            self._run("uninstall", release, "--wait", namespace=namespace, subject=subject)
        else:
            self._run("rollback", release, namespace=namespace, subject=subject)

    def _run(self, *arguments: str, namespace: str, subject: str) -> str:
        return self._checked(self._call(*arguments, namespace=namespace), subject)

    def _call(self, *arguments: str, namespace: str) -> subprocess.CompletedProcess[str]:
        command = [program_path("helm"), *arguments, "--namespace", namespace, *self._context]
        log.debug("helm %s in %s", arguments[0], namespace)
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @staticmethod
    def _checked(done: subprocess.CompletedProcess[str], subject: str) -> str:
        if done.returncode != 0:
            next_step = "mend the values, or look at the pods' events"
            raise ClusterError(
                subject, expected="helm to succeed", found=_reason(done), next_step=next_step
            )
        return done.stdout


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split())[-ERROR_CHARACTERS:]


def program_path(name: str) -> str:
    """The one installed beside this Python, else the one on PATH; raises ClusterError if there is none."""
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return str(beside)
    if found := shutil.which(name):
        return found
    raise ClusterError(
        name, expected="the program", found="nothing on PATH", next_step="run `make install`"
    )
