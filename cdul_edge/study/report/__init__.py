"""What a study found: means over the seeds, tables, published claims, and charts."""
