"""How far the time that a client claims for a request (X-Event-Time) may be from the time at which the request arrived."""

from datetime import datetime, timedelta

EVENT_TIME_AHEAD = timedelta(
    days=1
)  # clocks differ, and so do days in different time zones; what is further ahead has not happened
EVENT_TIME_BEHIND = timedelta(
    days=36_525
)  # a hundred years: replays and late batches are allowed, a zeroed clock is not


def is_plausible_event_time(time: datetime, *, arrived: datetime) -> bool:
    """Say whether the claimed time is inside the band around the arrival; both have a time zone."""
    return arrived - EVENT_TIME_BEHIND <= time <= arrived + EVENT_TIME_AHEAD
