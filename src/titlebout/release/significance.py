"""When a count is too large to be chance: the levels by which a bake blames a release."""

from titlebout.spec import Tolerances

FALSE_ALARM = 0.01  # so often, by each signal, a bake blames a release that is no worse than the one before and keeps its objective
REFUSED_MORE = (
    Tolerances().refused
)  # a share of requests that is no harm in a canary is none in a bake
FAILED_MORE = Tolerances().errors


def chance_of(hits: float, tries: float, *, share: float) -> float:
    """That a binomial count is at least `hits`."""
    from scipy.special import bdtrc

    return float(bdtrc(hits - 1, int(tries), share)) if hits > 0 else 1.0
