"""Self-contained HTML pages: one file, no network, no server, nothing that a name could run."""
