"""A node's workflow engine, and the workers on other machines that do its pieces."""
