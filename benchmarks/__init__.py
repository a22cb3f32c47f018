"""Scripts that measure, one file a question; each writes benchmarks/results/<name>.json."""
