"""Titlebout: a Challenger meets the Champion, the winner takes the traffic, and one command takes it back."""

import os

__version__ = "0.1.0"

# One core is left to others. OpenMP's threads wait for each other by spinning, and where all cores are busy they spin away each other's
# time: a tree ensemble that fits in 3 s took 89 s beside two busy processes on two cores. OpenMP reads this once, when scikit-learn loads
# it, hence so early.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))
