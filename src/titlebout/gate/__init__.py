"""Compare Challenger and Champion on the same unseen rows, and reach a verdict."""

from titlebout.gate.explain_verdict import explain
from titlebout.gate.gate_step import decide_verdict, replay
from titlebout.gate.reach_verdict import reach_verdict

__all__ = ["decide_verdict", "explain", "reach_verdict", "replay"]
