"""The tables of README.md, benchmarks/README.md and docs/reproduce.md, from benchmarks/results/.

`python -m benchmarks.tables` writes all of them; a test holds them to the result files.
"""
