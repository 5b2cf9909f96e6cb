"""Fit the baseline and the candidates, from simple to complex, on the training rows alone."""

from titlebout.train.candidates import train_candidates

__all__ = ["train_candidates"]
