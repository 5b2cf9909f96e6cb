"""Challenger against Champion on the same unseen rows: the verdict, its words, and how it is reached again."""

from titlebout.gate.decide import decide, replay
from titlebout.gate.judge import judge
from titlebout.gate.words import explain

__all__ = ["decide", "explain", "judge", "replay"]
