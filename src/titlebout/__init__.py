"""Titlebout: a Challenger meets the Champion, the winner takes the traffic, and one command takes it back."""

import os

__version__ = "0.1.0"

# OpenMP's threads by default spin while they wait for each other, and on a busy machine spin away each other's time: a tree ensemble
# that fits in 3 s took 89 s beside two busy processes on two cores. OpenMP reads this once, when scikit-learn loads it, hence so early.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
