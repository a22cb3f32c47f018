"""What takes the rows of a watch: files, a broker, pictures of events."""
