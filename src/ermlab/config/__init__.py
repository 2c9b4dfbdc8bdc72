"""Schemas, their registration with Hydra, and the checks that types cannot express."""
