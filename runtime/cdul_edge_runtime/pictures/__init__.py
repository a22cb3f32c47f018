"""Finding, reading and resizing pictures."""
