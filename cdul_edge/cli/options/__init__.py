"""What commands are given: shared option types, former names, names on stdin."""
