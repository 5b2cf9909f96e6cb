"""Simulate how often each end of a loss's 95 % interval misses the truth.

It compares Student's t alone with the logarithm's scale.
"""

import numpy as np
from scipy.special import stdtrit

RANDOM = np.random.default_rng(0)
REPEATS, TRUTH_ROWS = 20_000, (400, 10_000)


def log_losses(shape):
    """Draw log losses of sharp, calibrated probabilities."""
    predicted = RANDOM.beta(0.5, 0.5, shape).clip(1e-4, 1 - 1e-4)
    return -np.log(np.where(RANDOM.random(shape) < predicted, predicted, 1 - predicted))


def briers(shape):
    """Draw Brier losses of sharper ones."""
    predicted = RANDOM.beta(0.3, 0.3, shape)
    return (predicted - (RANDOM.random(shape) < predicted)) ** 2


LOSSES = {
    "log loss": log_losses,
    "Brier": briers,
    "absolute error, normal": lambda shape: np.abs(RANDOM.normal(size=shape)),
    "absolute error, lognormal": lambda shape: RANDOM.lognormal(0, 1, shape),
}

if __name__ == "__main__":
    print(
        "loss, rows: below the lower end, above the upper end (t), lower end below 0; "
        "the same two on the logarithm's scale; in %"
    )
    for name, draw in LOSSES.items():
        truth = draw(TRUTH_ROWS).mean()
        for rows in (20, 60, 200):
            losses = draw((REPEATS, rows))
            mean, half = (
                losses.mean(axis=1),
                stdtrit(rows - 1, 0.975) * losses.std(axis=1, ddof=1) / np.sqrt(rows),
            )
            factor = np.exp(half / mean)
            shares = [
                mean - half > truth,
                mean + half < truth,
                mean - half < 0,
                mean / factor > truth,
                mean * factor < truth,
            ]
            print(f"{name}, {rows}: " + ", ".join(f"{100 * share.mean():.1f}" for share in shares))
