"""Measure every candidate, look into the chosen one, report, and register it."""

from titlebout.evaluate.evaluation import evaluate_candidates

__all__ = ["evaluate_candidates"]
