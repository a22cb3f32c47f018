"""The section of labels: read in batches, so that it holds little of any number of pictures."""
