"""The engine of workflows of a node, and the workers on other machines that do its pieces."""
