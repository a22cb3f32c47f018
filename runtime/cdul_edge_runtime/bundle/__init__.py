"""What a device needs to run and verify a classifier."""
