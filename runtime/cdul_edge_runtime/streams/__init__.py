"""Live streams: cameras, files and robots, watched with a `Classifier`."""
