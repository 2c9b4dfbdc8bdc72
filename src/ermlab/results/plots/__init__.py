"""Pictures of runs: each kind describes a `Picture` from frames; `draw.py` draws it."""
