"""Waiting ends at the first success, or when the time is over, and never before the first look."""

import time

import pytest

from titlebout.waiting import retry, wait_until

POLL = {"poll_seconds": 0.01}


def counting(values):
    """Return a function that gives one value after the other, and the list of those given."""
    given = []

    def read():
        given.append(values[len(given)])
        return given[-1]

    return read, given


def test_the_first_wanted_value_ends_the_wait():
    """The values after it are not read."""
    read, given = counting(["", "", "here", "later"])
    assert wait_until(read, seconds=10, **POLL) == "here"
    assert given == ["", "", "here"]


def test_a_condition_of_the_callers_decides():
    """A value that is true need not be the wanted one."""
    read, _ = counting([1, 2, 3])
    assert wait_until(read, lambda value: value == 3, seconds=10, **POLL) == 3


def test_when_the_time_is_over_the_last_value_is_returned():
    """The caller says in its error what was found."""
    began = time.monotonic()
    assert wait_until(lambda: 0, seconds=0.1, **POLL) == 0
    assert 0.1 <= time.monotonic() - began < 5


def test_without_time_there_is_one_look():
    """A limit of zero still tells what is there now."""
    assert wait_until(lambda: True, seconds=0, poll_seconds=0)


def test_a_call_that_fails_is_made_again_until_it_works():
    """Only for the named errors."""
    read, given = counting([0, 0, 4])
    assert retry(lambda: 8 // read(), ZeroDivisionError, seconds=10, **POLL) == 2
    assert len(given) == 3


def test_an_error_that_lasts_is_raised_as_it_is():
    """The caller translates it."""
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        retry(lambda: 1 // 0, ZeroDivisionError, ValueError, seconds=0.1, **POLL)
    assert time.monotonic() - began >= 0.1


def test_another_error_is_raised_at_once():
    """It is a fault, and waiting does not repair it."""
    read, given = counting([0, 1])
    with pytest.raises(ZeroDivisionError):
        retry(lambda: 8 // read(), ValueError, seconds=10, **POLL)
    assert given == [0]
