"""Optimizers: the update rules of `conf/optimizer/`."""
