"""A benchmark whose rows do what rows may do wrong, each in a real process of its own."""
