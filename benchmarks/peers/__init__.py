"""This program beside the tools that people would use instead: `python -m benchmarks.peers`."""
