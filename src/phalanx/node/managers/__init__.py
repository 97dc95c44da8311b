"""Nodes that place and run work for others, under the budgets of those who ask."""
