"""Intelligence over HTTP, one module for each of its resources."""
