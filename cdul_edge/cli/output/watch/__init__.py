"""What `cdul-edge watch` shows, and where its rows go."""
