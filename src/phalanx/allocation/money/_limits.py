"""Bounds of the package."""

MAX_BUDGETS = 64
MAX_PRICE_TABLES = 1_000
MAX_NAME_CHARS = 100
# A billion of a unit, which is 1e15 millionths: far below where sums stop being exact in JSON's numbers.
MAX_LIMIT = 1e9
MAX_CHARGES_SHOWN = 100
