"""The front door: what `from cdul_edge import ...` gives, wired from the stages."""
