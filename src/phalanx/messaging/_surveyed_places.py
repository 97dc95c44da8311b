"""A survey as places: every way between those that answered, and a flat picture of how far apart they are."""

from typing import TYPE_CHECKING, Any

from phalanx.core import Unavailable
from phalanx.messaging._survey import Survey
from phalanx.messaging._topology import Places

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST = 2
_MIDDLE = 0.5


def surveyed_places(survey: Survey) -> Places:
    """Those that answered and can be reached. Raises ``Unavailable`` when they are fewer than two.

    A way that neither end measured is the shortest one by way of others. Where each is drawn follows by classical
    scaling: distances in the picture are as near to the measured ones as they can be on a plane.
    """
    import numpy as np

    names = [one.process for one in survey.processes if one.answered]
    index = {name: j for j, name in enumerate(names)}
    ms = np.full((len(names), len(names)), np.inf)
    np.fill_diagonal(ms, 0.0)
    for way in survey.ways:
        j, k = index[way.here], index[way.there]
        ms[j, k] = ms[k, j] = way.round_trip_ms / 2
    measured = ms.copy()
    for k in range(len(names)):
        ms = np.minimum(ms, ms[:, k, None] + ms[None, k, :])
    # A measured way stays as it is, though one round by others may be shorter: graphs find that out themselves.
    ms = np.where(np.isfinite(measured), measured, ms)
    reached = np.flatnonzero(np.isfinite(ms[index[survey.asked_by]]))
    if len(reached) < _LEAST:
        raise Unavailable(
            "a survey", "nobody but the node itself answered", hint="`phalanx cluster status` says who is there"
        )
    names, ms = [names[j] for j in reached], ms[np.ix_(reached, reached)]
    at = _flat(ms)
    whose = {one.process: one.organisation for one in survey.processes}
    return Places(
        {name: (float(x), float(y)) for name, (x, y) in zip(names, at, strict=True)},
        {name: whose[name] for name in names},
        {(here, there): float(ms[j, k]) for j, here in enumerate(names) for k, there in enumerate(names)},
    )


def _flat(ms: "NDArray[Any]") -> "NDArray[Any]":
    """Coordinates on the unit square, by classical multidimensional scaling."""
    import numpy as np

    n = len(ms)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centring @ (ms**2) @ centring / 2)
    at = np.zeros((n, 2))
    at[:, : min(2, n)] = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :2]
    # Which way an axis points is the library's choice: everybody draws the same picture.
    at *= np.where(at[np.abs(at).argmax(axis=0), [0, 1]] < 0, -1, 1)
    spread = np.ptp(at, axis=0)
    flat: NDArray[Any] = _MIDDLE + (at - at.min(axis=0) - spread / 2) / max(float(spread.max()), np.finfo(float).tiny)
    return flat
