"""Commands that start, describe and set up a node of one's own."""
