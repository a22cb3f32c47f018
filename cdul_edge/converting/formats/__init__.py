"""One file for each tool's form, and a table of them."""
