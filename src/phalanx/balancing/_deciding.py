"""Where one operation goes, now. One plain function over arrays, compiled once the compiler is there.

Waiting and working is what the operation itself will see. What others will see of it is the second term: if resource
i is given aᵢ operations a second and is busy a share ρᵢ of the time, an operation that takes x after a wait of u
delays those still to come by aᵢ/(1 - ρᵢ)·(u·x + x²/2) together. The sum is the first step of policy iteration from the
split that the beat planned (``_fluid``): with nothing known it is earliest completion, under load it keeps a resource
for those who have no other. The second term counts in part only (``BELIEVED``): those to come are not bound to resource
i as that split would have them.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Flags, Sums

# Rows of a pool's state, one column per resource.
PENDING, HEAD_S, HEAD_SINCE, COUNT, LIMIT, WEIGHT, OPEN, SLOTS = range(8)
STATE_ROWS = 8
# What is left in ``out``: of the chosen one the wait and the completion, of the second best the completion and its
# place, and how many were full or not open.
WAIT, DONE, NEXT_DONE, NEXT, N_FULL, N_CLOSED = range(6)
OUT_ROWS = 6


def decide(
    state: "Sums", rate: "Sums", loss: "Sums", extra: "Sums", allowed: "Flags", size: float, now: float,
    deadline: float, out: "Sums",
) -> int:  # fmt: skip
    """The place of the best resource, or -1. ``rate`` is seconds per unit of size, ``extra`` seconds besides.

    ``loss`` is the share of a result that decay spoils: work that will have to be repeated, so it counts against a
    resource, though not against its clock. What would be done in time goes before what would be late.
    """
    best, best_late, best_score = -1, True, math.inf
    out[NEXT_DONE], out[NEXT], out[N_FULL], out[N_CLOSED] = math.inf, -1.0, 0.0, 0.0
    for i in range(state.shape[1]):
        if not allowed[i]:
            continue
        if state[OPEN, i] == 0.0:
            out[N_CLOSED] += 1.0
            continue
        work = size * rate[i] + extra[i]
        if not work < math.inf:
            continue
        if state[COUNT, i] >= state[LIMIT, i]:
            out[N_FULL] += 1.0
            continue
        wait = state[PENDING, i]
        if state[HEAD_S, i] > 0.0:
            wait -= min(now - state[HEAD_SINCE, i], state[HEAD_S, i])
        wait = max(0.0, wait) / state[SLOTS, i]
        done = wait + work
        late = now + done > deadline
        score = done if late else done + size * rate[i] * loss[i] + state[WEIGHT, i] * work * (wait + 0.5 * work)
        if (best_late and not late) or (late == best_late and score < best_score):
            if best >= 0:
                out[NEXT_DONE], out[NEXT] = out[DONE], float(best)
            best, best_late, best_score = i, late, score
            out[WAIT], out[DONE] = wait, done
        elif done < out[NEXT_DONE]:
            out[NEXT_DONE], out[NEXT] = done, float(i)
    return best


def decide_wide(
    state: "Sums", rate: "Sums", loss: "Sums", extra: "Sums", allowed: "Flags", size: float, now: float,
    deadline: float, out: "Sums",
) -> int:  # fmt: skip
    """The same, over whole arrays: for many resources while nothing is compiled. ``NEXT`` is the next to be done."""
    import numpy as np

    out[NEXT_DONE], out[NEXT], out[N_FULL], out[N_CLOSED] = math.inf, -1.0, 0.0, 0.0
    here = np.flatnonzero(allowed)
    now_open = state[OPEN, here] != 0.0
    out[N_CLOSED] = float(len(here) - np.count_nonzero(now_open))
    here = here[now_open]
    part = state[:, here]
    pure = size * rate[here]
    work = pure + extra[here]
    able = work < math.inf
    room = able & (part[COUNT] < part[LIMIT])
    out[N_FULL] = float(np.count_nonzero(able) - np.count_nonzero(room))
    if not room.any():
        return -1
    begun = part[HEAD_S] > 0.0
    wait = part[PENDING] - np.where(begun, np.minimum(now - part[HEAD_SINCE], part[HEAD_S]), 0.0)
    wait = np.maximum(0.0, wait) / part[SLOTS]
    with np.errstate(invalid="ignore"):
        done = np.where(room, wait + work, math.inf)
        late = now + done > deadline
        score = done + pure * loss[here] + part[WEIGHT] * work * (wait + 0.5 * work)
    in_time = room & ~late
    score = np.where(in_time, score, math.inf) if in_time.any() else done
    best = int(np.argmin(score))
    out[WAIT], out[DONE] = wait[best], done[best]
    done[best] = math.inf
    after = int(np.argmin(done))
    if done[after] < math.inf:
        out[NEXT_DONE], out[NEXT] = done[after], float(here[after])
    return int(here[best])


Decide = Callable[..., int]
# From so many resources on, whole arrays are quicker than a plain loop.
_WIDE = 32
_compiled: Decide = decide


def decider(n_resources: int) -> Decide:
    """The compiled function where ``warm`` has been, else one that does without: the same answers, more slowly."""
    return decide_wide if _compiled is decide and n_resources >= _WIDE else _compiled


def compile_decider() -> None:
    """Compile and try it once, so that no operation waits for that."""
    global _compiled
    import numpy as np

    from phalanx.core import kernel

    made = kernel(decide)
    state = np.zeros((STATE_ROWS, 1))
    made(state, np.ones(1), np.zeros(1), np.zeros(1), np.ones(1, np.bool_), 1.0, 0.0, math.inf, np.zeros(OUT_ROWS))
    _compiled = made
