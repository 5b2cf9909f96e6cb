"""Run the guided tour of `make demo`: the life of the flights model, here, on real data."""

from titlebout.demo.clean import start_clean
from titlebout.demo.story import Tour, run_tour
from titlebout.demo.tour_report import in_words, write_report

__all__ = ["Tour", "in_words", "run_tour", "start_clean", "write_report"]
