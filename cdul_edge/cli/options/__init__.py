"""Options that several commands share: their types, their help, and their former names."""
