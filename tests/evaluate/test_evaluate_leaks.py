"""The leak check names what was not known in time, and leaves alone what was."""

import pytest
from studied import fitted, flights_parts, flights_spec, iris_parts, iris_spec

from titlebout.evaluate.importance import permutation_losses
from titlebout.evaluate.leaks import find_leaks
from titlebout.spec import Column

NUMBER = Column(type="number")


def leaks_of(spec, parts, name):
    return {leak.column: leak for leak in find_leaks(spec, fitted(spec, parts, name), train=parts["train"], validation=parts["validation"])}


def test_honest_flights_features_are_not_accused():
    """What is known when a flight is scheduled passes: carrier, departure_minute and the others."""
    spec = flights_spec()
    assert leaks_of(spec, flights_parts(spec), "trees") == {}


@pytest.mark.parametrize("name", ["linear", "trees"])
def test_a_planted_departure_delay_is_named_alone(name):
    """`dep_delay` left in is named, with both scores, and no honest column with it."""
    spec = flights_spec(dep_delay=NUMBER)
    leaks = leaks_of(spec, flights_parts(spec), name)
    assert list(leaks) == ["dep_delay"]
    assert leaks["dep_delay"].score_alone > 0.85
    assert "is it known in time?" in leaks["dep_delay"].evidence


@pytest.mark.parametrize("planted", ["dep_time", "arr_time"])
def test_a_leak_that_needs_a_partner_is_named_without_the_partner(planted):
    """The actual time tells by its distance from the scheduled one; only the actual one was not known."""
    spec = flights_spec(**{planted: NUMBER})
    assert list(leaks_of(spec, flights_parts(spec), "trees")) == [planted]


def test_a_strong_honest_column_is_named_for_a_person_to_look_at():
    """A petal's width nearly is the species: the check cannot know that it is honest, which is what `leaks: warn` is for."""
    assert "petal width (cm)" in leaks_of(iris_spec(), iris_parts(), "linear")


def test_a_column_that_the_model_needs_is_important_and_noise_is_not():
    """Shuffling the departure's minute costs most; shuffling the plane's engines costs next to nothing."""
    spec = flights_spec()
    parts = flights_parts(spec)
    losses = permutation_losses(spec, fitted(spec, parts, "trees"), parts["validation"], metric="roc_auc")
    assert max(losses, key=losses.get) == "departure_minute"
    assert abs(losses["engines"]) < losses["departure_minute"] / 10
