"""Data: sources, and the road from the arrays of a source to splits on a device.

A source is any function that returns arrays `(x, y)` for all rows, or `(x, y, graph)`. Sources:
`lab1.py` draws data with the maps of `maps.py`, `source_localization.py` diffusions on a graph of
`block_model.py`, `bundled.py` has the data sets of scikit-learn, `table.py` and `graph_table.py`
read a user's files. The road: `arrays.py` and `graph.py` check, `splits.py` partitions,
`standardize.py` scales, and `dataset.py`, the file to read next, calls them in this order.
"""
