"""How often Python looks for garbage in a process that is up and stays up."""

import gc

# A full collection looks through all that came since the start, and nothing else runs meanwhile: 0.1 s after ten
# thousand missions. They come a fifth as often as Python would have them.
_YOUNG, _MIDDLE, _FULL = 700, 10, 50


def settle_garbage() -> None:
    """Once everybody has a place: what is there to stay is not looked through again, and the rest is seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _FULL)
