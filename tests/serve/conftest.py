"""OpenMP's threads wait for each other on shared cores; tiny models need one."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
