"""One thread per stream: the newest frame, and trying again."""
