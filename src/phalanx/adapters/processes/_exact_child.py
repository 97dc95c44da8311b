"""Solves one problem exactly with HiGHS, in a process of its own.

Run as ``python -m phalanx.adapters.processes._exact_child``.

HiGHS has threads and state of its own and shares no process with other solvers, least of all with a node. The question
comes as MessagePack on standard input, the answer leaves the same way on standard output.
"""

import os
import sys
from typing import Any

import msgspec
import numpy as np

_INTEGER_TOLERANCE = 0.5


def solved(times: "np.ndarray[Any, Any]", queue: "np.ndarray[Any, Any]", limit_s: float) -> dict[str, Any]:
    """The least makespan as a mixed-integer program: one binary for each pair that is eligible."""
    import highspy

    m, n = times.shape
    where, which = np.nonzero(np.isfinite(times))
    pairs = len(where)
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = pairs + 1, m + n
    program.col_cost_ = np.r_[np.zeros(pairs), 1.0]
    program.col_lower_ = np.r_[np.zeros(pairs), float(queue.max(initial=0.0))]
    program.col_upper_ = np.r_[np.ones(pairs), highspy.kHighsInf]
    program.row_lower_ = np.r_[np.full(m, -highspy.kHighsInf), np.ones(n)]
    program.row_upper_ = np.r_[-queue, np.ones(n)]
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = np.r_[np.arange(pairs) * 2, 2 * pairs, 2 * pairs + m]
    program.a_matrix_.index_ = np.r_[np.column_stack([where, m + which]).ravel(), np.arange(m)]
    program.a_matrix_.value_ = np.r_[np.column_stack([times[where, which], np.ones(pairs)]).ravel(), np.full(m, -1.0)]
    program.integrality_ = [highspy.HighsVarType.kInteger] * pairs + [highspy.HighsVarType.kContinuous]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)  # noqa: FBT003 - the library's signature
    solver.setOptionValue("time_limit", limit_s)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.passModel(program)
    solver.run()
    values = np.array(solver.getSolution().col_value[:pairs])
    choice = np.full(n, -1, np.int32)
    taken = values > _INTEGER_TOLERANCE
    choice[which[taken]] = where[taken]
    optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return {"choice": choice.tobytes(), "bound_s": float(solver.getInfo().mip_dual_bound), "optimal": optimal}


def main() -> int:
    """0 with an answer, 3 when HiGHS is not installed."""
    asked = msgspec.msgpack.decode(sys.stdin.buffer.read())
    times = np.frombuffer(asked["times"], np.float32).reshape(asked["shape"]).astype(np.float64)
    queue = np.frombuffer(asked["queue"], np.float64)
    out = os.dup(1)
    os.dup2(2, 1)  # HiGHS greets on standard output, which is the answer's.
    try:
        found = solved(times, queue, asked["limit_s"])
    except ModuleNotFoundError:
        return 3
    with os.fdopen(out, "wb") as answer:
        answer.write(msgspec.msgpack.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
