"""The report: a comparison as one HTML file that needs nothing else."""

from seqdistill.evaluation.report.page import render_report

__all__ = ["render_report"]
