"""Sweeps, and a browser, for the tests of the report."""

from chromium import browser, one_browser
from written_sweeps import make_sweep, raw

__all__ = ["browser", "make_sweep", "one_browser", "raw"]
