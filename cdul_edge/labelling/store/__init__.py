"""The similarity store: one Parquet part after another, resumable."""
