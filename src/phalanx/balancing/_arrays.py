"""Names for the arrays that kernels and solvers pass around; what they hold is in each function's docstring."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Times, costs and prices: float32, resources before operations, so that memory and vector units go furthest.
Floats = NDArray[np.float32]
# Loads and everything that is a sum.
Sums = NDArray[np.float64]
# Places of resources and operations.
Places = NDArray[np.int32]
Longs = NDArray[np.int64]
# Individuals of the genetic solver, by the million: a place in two bytes.
Genes = NDArray[np.int16]
Flags = NDArray[np.bool_]
State = NDArray[np.uint64]
# One place, in whatever width it comes.
Index = int | np.signedinteger[Any]
