"""Run directories to tables and plots: reads files only, never live objects, and needs no torch."""
