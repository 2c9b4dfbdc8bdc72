"""Data: sources, and the road from the arrays of a source to splits on a device.

A source is any function that returns arrays `(x, y)` for all rows. Sources: `lab1.py` draws data
with the maps of `maps.py`, `bundled.py` has the data sets of scikit-learn, `table.py` reads a
user's file. The road: `arrays.py` checks, `splits.py` partitions, `standardize.py` scales, and
`dataset.py`, the file to read next, calls them in this order.
"""
