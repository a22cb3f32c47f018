"""A thread for each source: its newest frame, its rate, and when it is tried again."""
