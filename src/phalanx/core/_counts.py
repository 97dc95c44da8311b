"""Numbers with their words."""


def counted(n: int, one: str, many: str = "") -> str:
    """``1 event``, ``2 events``; ``many`` where an ``s`` does not make it."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"
