"""Keep the paths in storage: what earlier versions wrote is found."""

from collections.abc import Callable

import pytest

from titlebout.storage import layout

D = "d" * 64
PATHS: list[tuple[Callable[..., tuple[str, ...]], tuple[str, ...], str]] = [
    (layout.anchor, ("flights",), "ledger/flights.json"),
    (layout.configuration, (D,), f"configurations/{D}.json"),
    (layout.dataset, (D,), f"datasets/{D}"),
    (layout.dataset_hashes, (D, "train"), f"datasets/{D}/train.hashes.parquet"),
    (layout.dataset_record, (D,), f"datasets/{D}/record.json"),
    (layout.dataset_rows, (D, "train"), f"datasets/{D}/train.parquet"),
    (layout.drift_page, ("flights", D), f"drift/flights/{D}.html"),
    (layout.drift_report, ("flights", D), f"drift/flights/{D}.json"),
    (layout.gate_input, (D,), f"verdicts/{D}.case.json"),
    (layout.inference, ("flights",), "inference/flights"),
    (layout.inference, ("flights", "date=2026-11-01"), "inference/flights/date=2026-11-01"),
    (layout.labels, ("flights", "a.parquet"), "labels/flights/a.parquet"),
    (layout.package, (D,), f"packages/{D}"),
    (layout.release, (D,), f"releases/{D}.json"),
    (layout.seen_rows, (D,), f"tuned-on/{D}.json"),
    (layout.verdict, (D,), f"verdicts/{D}.json"),
]


@pytest.mark.parametrize(("path", "given", "expected"), PATHS)
def test_a_path_stays_as_it_is(path: Callable[..., tuple[str, ...]], given: tuple, expected: str):
    """Keep each path, so that the next version reads what an earlier one wrote."""
    assert "/".join(path(*given)) == expected


def test_every_path_is_tested():
    """Require a line above for each kind of record."""
    functions = {
        name
        for name, value in vars(layout).items()
        if callable(value) and getattr(value, "__module__", "") == layout.__name__
    }
    assert functions == {path.__name__ for path, _, _ in PATHS}
