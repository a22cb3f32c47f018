"""A page on which a person answers the most useful questions about labels, and the way back."""
