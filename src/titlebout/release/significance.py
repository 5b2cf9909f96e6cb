"""Decide whether a count is too large for chance, and at what level a bake blames a release."""

from titlebout.spec import Tolerances

# How often each signal blames a release that is no worse than the one before and keeps its
# objective.
FALSE_ALARM = 0.01
# A share of requests that does no harm in a canary does none in a bake.
REFUSED_MORE = Tolerances().refused
FAILED_MORE = Tolerances().errors


def chance_of(hits: float, tries: float, *, share: float) -> float:
    """Return the probability that a binomial count of `tries` is at least `hits`."""
    from scipy.special import bdtrc

    return float(bdtrc(hits - 1, int(tries), share)) if hits > 0 else 1.0
