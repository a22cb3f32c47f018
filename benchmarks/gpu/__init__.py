"""`python -m benchmarks.gpu`: one command that proves a GPU. `steps.py` lists what it does."""
