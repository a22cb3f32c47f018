"""Files that are being written, and those whose writer is gone."""
