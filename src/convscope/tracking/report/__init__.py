"""One page about a run, or about a sweep, made from its folder alone."""

from convscope.tracking.report.page import write_report
from convscope.tracking.report.sweep import write_sweep_report

__all__ = ["write_report", "write_sweep_report"]
