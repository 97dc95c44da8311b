"""Which machines grant what is wished of a program without gates.

Policies compare circuits, by fidelities that are foretold of their gates. Of a program nobody foretells how good its
outcomes will be, so a least fidelity is refused when it is submitted. What it costs and when it would be done is known.
"""

from phalanx.devices import DeviceModel, Wish


def ungranted(model: DeviceModel, wish: Wish, *, wait_s: float, run_s: float) -> str:
    """Why the machine does not do it for that money, or by then; empty where it does. ``run_s`` is one run there."""
    price = model.price.cost(wish.shots, 0, 0, 0, run_s)
    if price.amount > wish.budget:
        return f"would cost {price.amount:,.4g} {price.currency}, more than {wish.budget:g}"
    if wait_s + run_s > wish.deadline_s:
        return f"would be done in {wait_s + run_s:.3g} s, and {wish.deadline_s:.3g} s are left"
    return ""
