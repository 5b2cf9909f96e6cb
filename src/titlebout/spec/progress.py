"""Tell a person who waits how far a long piece of work has come."""

from collections.abc import Callable

Progress = Callable[[str], None]  # takes one line, without its end
