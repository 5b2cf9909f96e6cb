"""Titlebout: a Challenger meets the Champion, the winner takes the traffic, and one command takes it back."""

__version__ = "0.1.0"
