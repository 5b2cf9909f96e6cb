"""The registrar: a small process in each namespace that brings ledger and alias after the traffic, as their only writer."""
