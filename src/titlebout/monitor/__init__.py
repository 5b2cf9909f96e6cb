"""Late labels, drift of columns and predictions, performance on what was labelled: each alarm with its rate of false ones."""

from titlebout.monitor.compare import ReleaseComparison, compare, in_words
from titlebout.monitor.labels import label
from titlebout.monitor.watch import page_of, watch
from titlebout.monitor.words import explain

__all__ = ["ReleaseComparison", "compare", "explain", "in_words", "label", "page_of", "watch"]
