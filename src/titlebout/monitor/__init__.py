"""Late labels, drift of columns and predictions, performance on what was labelled: each alarm with its rate of false ones."""

from titlebout.monitor.compare import ReleaseComparison, compare, in_words
from titlebout.monitor.explain_drift import explain
from titlebout.monitor.labels import label
from titlebout.monitor.served_rows import Span
from titlebout.monitor.drift_report import page_of, watch

__all__ = [
    "ReleaseComparison",
    "Span",
    "compare",
    "explain",
    "in_words",
    "label",
    "page_of",
    "watch",
]
