"""Public data that benchmarks measure on: which data sets, where they are, and fetching them."""

from phalanx.bench.public._finding import HERE, data_in, find_data, public_data
from phalanx.bench.public._getting import GITHUB, get_data
from phalanx.bench.public._sets import SETS, DataSet

__all__ = ["GITHUB", "HERE", "SETS", "DataSet", "data_in", "find_data", "get_data", "public_data"]
