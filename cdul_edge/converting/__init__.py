"""Labels and scores into the files of other tools, and what people did there back to us."""
