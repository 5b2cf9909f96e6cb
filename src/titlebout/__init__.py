"""Train, gate, release and roll back models with MLflow, BentoML and Kubernetes."""

import os
from collections.abc import MutableMapping

__version__ = "0.1.0"

# Leave one core to others. OpenMP's threads wait for each other by spinning. Where all cores are
# busy they waste each other's time: a tree ensemble that fits in 3 s took 89 s beside two busy
# processes on two cores. OpenMP reads this once, when scikit-learn loads it, hence so early.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NO_PROXY = ("no_proxy", "NO_PROXY")  # some programs read the first name, some the second


def bypass_proxy(variables: MutableMapping[str, str]) -> None:
    """Add this machine to `no_proxy` where the environment names a proxy.

    Servers, slots and tunnels listen on 127.0.0.1. Every HTTP client and child process reads the
    variable. Nothing is set where there is no proxy: on macOS the variable alone would switch off
    the system's own proxy settings.
    """
    if not any(
        name.lower().endswith("_proxy") and value
        for name, value in variables.items()
        if name not in NO_PROXY
    ):
        return
    named = next((variables[name] for name in NO_PROXY if variables.get(name)), "")
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    if "*" not in hosts:
        value = ",".join([*hosts, *(address for address in LOOPBACK if address not in hosts)])
        variables.update(dict.fromkeys(NO_PROXY, value))


bypass_proxy(os.environ)  # here, because clients look at the variables when they are first used
