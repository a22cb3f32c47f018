"""What ten minutes of answers bring: `python -m benchmarks.review`."""
