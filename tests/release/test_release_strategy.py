"""What the gate holds against a candidate while a strategy shows it to clients."""

from titlebout.gate.sequential import decide
from titlebout.release.canary import signals_of
from titlebout.rollout.slot_counts import Counted
from titlebout.spec import Tolerances

FINE = Counted(requests=3000, errors=0, slow=0, asked=3000, refused=0)


def verdict_on(candidate):
    return decide(signals_of(FINE, candidate, Tolerances()), false_alarm=0.05, steps=3)


def test_a_candidate_that_refuses_clients_is_stopped():
    """A column was renamed: whoever sends the old one is answered 422, fast and without an error."""
    assert verdict_on(FINE._replace(asked=100, refused=100)) == ("stop", "refused requests")


def test_a_candidate_that_refuses_as_few_goes_on():
    """Every signal is shown to be within its tolerance."""
    assert verdict_on(FINE).step == "go on"
