"""Measure what a maximum age of connections costs: the same service with and without.

Eight clients in a closed loop ask one server after the other in each round; the ratio is of the
same round. Prints JSON.
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

from serving import one_round, start_tabular, stop
from serving_model import write

from titlebout.serve.connection_age import MAX_AGE_VARIABLE

MAX_AGE_SECONDS = 0.5  # helm/serving's


def main() -> None:
    """Run the rounds, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each server in each round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(
            json.dumps(
                measure(Path(folder), rounds=options.rounds, seconds=options.seconds), indent=1
            )
        )


def measure(work: Path, *, rounds: int, seconds: float) -> dict[str, object]:
    """Return the medians of both servers, and the ratio of their rates."""
    variables = {"limited": {MAX_AGE_VARIABLE: str(MAX_AGE_SECONDS)}, "kept": {}}
    servers = {}
    try:
        for name, more in variables.items():
            (work / name).mkdir()
            servers[name] = start_tabular(work / name, write(work / name), **more)
        found = [
            {name: one_round(server, seconds) for name, server in servers.items()}
            for _ in range(rounds + 1)
        ][1:]
    finally:
        for server in servers.values():
            stop(server)
    medians = {
        name: {
            key: round(statistics.median(one[name][key] for one in found), 2)
            for key in ("rate", "median_ms", "cpu_us")
        }
        for name in variables
    }
    ratios = statistics.quantiles(
        [one["limited"]["rate"] / one["kept"]["rate"] for one in found], n=4
    )
    return {
        **medians,
        "ratio_quartiles": [round(ratio, 3) for ratio in ratios],
        "load_average": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
