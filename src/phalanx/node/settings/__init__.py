"""What can be set, where values come from, and which of them wins."""
