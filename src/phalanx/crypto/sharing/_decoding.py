"""Finds the polynomial behind shares of which some are wrong, and says which.

Shares of a threshold-k sharing are a Reed–Solomon code word: the values of a polynomial f of
degree below k. Berlekamp and Welch look for an error locator E, zero exactly where a share is
wrong, with f(x)·E(x) = y·E(x) at every point. Gao (2003) solves that key equation by stopping
Euclid's algorithm early, in quadratic instead of cubic time:

    g0 = Π (x - xᵢ),  g1 through all (xᵢ, yᵢ);  u·g0 + v·g1 = g  with  deg g < (m + k)/2;  f = g/v

Invariants:

- With m shares and threshold k, any e ≤ (m - k)/2 wrong shares are corrected and named.
- Beyond that radius an answer is given only if it differs from the given shares in at most
  (m - k)/2 places; otherwise ``Undecodable``. More liars than that who know each other's shares
  can move the answer to another polynomial: only a commitment or a key check finds that out.
- With m = 3t + 1 shares and k = t + 1, the radius is t: up to a third of all may lie.
"""

from collections.abc import Mapping

from phalanx.crypto.sharing._errors import NotEnoughShares, Undecodable
from phalanx.crypto.sharing._field import Field, Polynomial


def correctable(given: int, needed: int) -> int:
    """How many wrong shares ``given`` shares correct at threshold ``needed``."""
    return max(given - needed, 0) // 2


def decode(field: Field, values: Mapping[int, int], threshold: int) -> tuple[Polynomial, tuple[int, ...]]:
    """The polynomial below degree ``threshold`` nearest to ``values`` and the points that are not on it."""
    if len(values) < threshold:
        raise NotEnoughShares(needed=threshold, seen=len(values))
    radius = correctable(len(values), threshold)
    found = _nearest(field, values, threshold)
    if found is not None:
        wrong = tuple(sorted(x for x, y in values.items() if field.evaluate(found, x) != y))
        if len(wrong) <= radius:
            return found, wrong
    raise Undecodable(given=len(values), needed=threshold, correctable=radius)


def _nearest(field: Field, values: Mapping[int, int], threshold: int) -> Polynomial | None:
    through_all = field.interpolate(values)
    if len(through_all) <= threshold:
        return through_all
    vanishing: Polynomial = [1]
    for x in values:
        vanishing = field.multiply(vanishing, [-x % field.modulus, 1])
    before, here = vanishing, through_all
    v_before: Polynomial = []
    v_here: Polynomial = [1]
    # Degrees fall with every round, so there are at most as many rounds as shares.
    while 2 * (len(here) - 1) >= len(values) + threshold:
        quotient, rest = field.divide(before, here)
        negated = [-value % field.modulus for value in quotient]
        before, here = here, rest
        v_before, v_here = v_here, field.add(v_before, field.multiply(negated, v_here))
    candidate, rest = field.divide(here, v_here)
    return candidate if not rest and len(candidate) <= threshold else None
