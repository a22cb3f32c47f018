"""What runs the making of parts: this process, or a cluster."""
