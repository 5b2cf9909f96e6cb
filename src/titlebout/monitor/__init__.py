"""Watch what is served: late labels, drift of columns and predictions, and performance.

Each alarm has a stated rate of false ones.
"""

from titlebout.monitor.compare import ReleaseComparison, compare, in_words
from titlebout.monitor.drift_report import report_address, watch
from titlebout.monitor.explain_drift import explain
from titlebout.monitor.labels import label
from titlebout.monitor.served_rows import Span

__all__ = [
    "ReleaseComparison",
    "Span",
    "compare",
    "explain",
    "in_words",
    "label",
    "report_address",
    "watch",
]
