"""The verdict on a round without labels of the target: its criteria, what they look at, and its file."""
