"""What commands print for people and write for programs."""
