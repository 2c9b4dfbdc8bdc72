"""Parametrizations: the models of the source text as plain `torch.nn.Module` classes.

Those for signals on a graph are in `graph_filter.py` and `gnn.py`, which stand on `shift.py`;
`geometric.py` takes the layers of another package.
"""
