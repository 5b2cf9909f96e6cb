"""Challenger against Champion on the same unseen rows: the verdict, its words, and how it is reached again."""

from titlebout.gate.explain_verdict import explain
from titlebout.gate.gate_step import decide_verdict, replay
from titlebout.gate.judge import judge

__all__ = ["decide_verdict", "explain", "judge", "replay"]
