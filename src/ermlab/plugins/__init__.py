"""Adapters that Hydra loads by name: they translate, and do nothing else."""
