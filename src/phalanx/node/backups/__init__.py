"""Backups of a node: taken while it runs, put back, and what the node does that starts on one next."""
