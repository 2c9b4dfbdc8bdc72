"""Trackers: programs that people watch their runs with, told what a run directory is told."""
