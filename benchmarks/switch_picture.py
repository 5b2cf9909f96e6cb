"""Draw docs/switch.svg: the demo report's plot of a switch, from a real one.

    python benchmarks/switch_picture.py

Caddy, the slots and the switch are the real ones; the servers in the slots are small, as in
switch.py. Half of the clients keep their connections open.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.release_project import ReleaseProject  # noqa: E402 (found through the path set above)
from switch import go  # noqa: E402

from titlebout.demo.report_plots import SECONDS_SHOWN, releases_over_time  # noqa: E402
from titlebout.loadgen import BackgroundLoad, Load  # noqa: E402

REQUESTS_PER_SECOND = 40  # few enough dots for a file of 100 kB
LONGEST_SECONDS = 60.0  # bounds the load should the switch hang


def main() -> None:
    """Switch once under load, and draw what the clients saw."""
    with tempfile.TemporaryDirectory() as folder:
        release_project = ReleaseProject(Path(folder)).build()
        try:
            for release in ("a", "b"):
                release_project.released(release)
            go(release_project, "rollback")
            load = Load(
                f"{release_project.slots.url}/predict",
                bodies=[{"x": 1.0}],
                rate=REQUESTS_PER_SECOND,
                request_id_prefix="picture-",
            )
            with BackgroundLoad(load, seconds=LONGEST_SECONDS):
                time.sleep(SECONDS_SHOWN + 1)
                moment = go(release_project, "switch")
                time.sleep(SECONDS_SHOWN + 1)
        finally:
            release_project.close()
    drawn = releases_over_time(load.answers, around=moment.began)
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    (REPOSITORY / "docs" / "switch.svg").write_text(drawn)


if __name__ == "__main__":
    main()
