"""Scripts that load a network, classify one picture, and say when they had the answer.

Each is what people write with that tool, and imports what it needs and no more.
"""
