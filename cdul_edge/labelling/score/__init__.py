"""From similarities to scores: of one picture, of the whole set, of patches."""
