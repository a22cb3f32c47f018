"""Where the rows of a watch go: files of JSON lines, a broker, pictures of what appeared."""
