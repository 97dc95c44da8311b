"""What the steps of ``held_step.py`` do; imports nothing of ours, so that who does it is there at once."""

import os
from pathlib import Path


def folder() -> str:
    return os.environ["HELD_FOLDER"]


def held(folder: str) -> int:
    """Say that it has begun, and wait until somebody opens the gate."""
    (Path(folder) / f"began-{os.getpid()}").touch()
    with (Path(folder) / "gate").open() as gate:
        gate.read()
    return 3


async def after(held: int) -> int:
    return held + 1
