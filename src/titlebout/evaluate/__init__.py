"""Measure every candidate, examine the chosen one, report, and register it."""

from titlebout.evaluate.evaluate_step import evaluate_candidates
from titlebout.evaluate.findings import calibration_finding
from titlebout.evaluate.report_page import MATERIAL_FILE, PAGE_FILE, PageMaterial, write_page

__all__ = [
    "MATERIAL_FILE",
    "PAGE_FILE",
    "PageMaterial",
    "calibration_finding",
    "evaluate_candidates",
    "write_page",
]
