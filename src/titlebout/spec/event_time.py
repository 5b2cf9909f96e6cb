"""Limit how far a claimed event time (X-Event-Time) may be from the request's arrival."""

from datetime import datetime, timedelta

# Clocks differ, and so do days in different time zones. What is further ahead has not happened.
EVENT_TIME_AHEAD = timedelta(days=1)
# A hundred years: replays and late batches are allowed, a clock that was set to zero is not.
EVENT_TIME_BEHIND = timedelta(days=36_525)


def is_plausible_event_time(time: datetime, *, arrived: datetime) -> bool:
    """Return whether the claimed time is near enough to the arrival; both have a time zone."""
    return arrived - EVENT_TIME_BEHIND <= time <= arrived + EVENT_TIME_AHEAD
