"""What a source is called, and the same without credentials."""
