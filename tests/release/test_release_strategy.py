"""What the gate holds against a candidate while a strategy shows it to clients."""

from titlebout.gate.sequential import decide
from titlebout.release.canary import signals_of
from titlebout.rollout.slot_counts import Counted
from titlebout.spec import Tolerances

FINE = Counted(requests=3000, errors=0, slow=0, asked=3000, refused=0)


def verdict_on(candidate, *, may_refuse=False):
    return decide(signals_of(FINE, candidate, Tolerances(), may_refuse=may_refuse), false_alarm=0.05, steps=3)


def test_a_candidate_that_refuses_clients_is_stopped():
    """A column was renamed: whoever sends the old one is answered 422, fast and without an error."""
    assert verdict_on(FINE._replace(asked=100, refused=100)) == ("stop", "refused requests")


def test_a_candidate_that_refuses_as_few_goes_on():
    """Every signal is shown to be within its tolerance."""
    assert verdict_on(FINE).step == "go on"


def test_a_person_may_let_a_candidate_refuse():
    """Of a changed contract, by an override; errors go on to count."""
    assert verdict_on(FINE._replace(refused=3000), may_refuse=True).step == "go on"
    assert verdict_on(FINE._replace(refused=3000, errors=3000), may_refuse=True) == ("stop", "errors")
