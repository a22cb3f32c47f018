"""Class activation maps, and what is done with them."""
