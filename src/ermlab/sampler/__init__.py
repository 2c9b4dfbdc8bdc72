"""Samplers of Optuna that suggest the same in less time."""
