"""Rows of figures that are each measured in a process of its own and kept in one result file.

`python -m benchmarks.peers` and `python -m benchmarks.streams` are made of it. Such a package says
in `rows.py` which rows there are, in `row.py` what its figures look like, and in `__main__.py`
what `--help` tells.
"""
