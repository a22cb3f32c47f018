"""Watch several streams with one classifier."""
