"""Nodes that place and run work for other nodes, under the requesters' budgets."""
