"""Where public data is looked for: where the command was told, else in `bench-data` here, else beside the checkout."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from phalanx.bench.public._sets import SETS
from phalanx.core import Unavailable

HERE = "bench-data"
_BESIDE = Path("shared", "data")
_told: ContextVar[Path | None] = ContextVar("folder of public data", default=None)


@contextmanager
def data_in(folder: Path | None) -> Iterator[None]:
    """Within the block public data is looked for in ``folder`` alone, where one is given."""
    token = _told.set(folder)
    try:
        yield
    finally:
        _told.reset(token)


def public_data(name: str) -> Path:
    """The folder of a set. Raises ``Unavailable``, which says how to get it."""
    found = find_data(name)
    if found is not None:
        return found
    wanted = SETS[name]
    where = _candidates()[0] / wanted.folder
    how = f"`phalanx bench --get-data {name}` fetches it" if wanted.paths else f"it is made {wanted.made}"
    raise Unavailable(
        wanted.title,
        f"{where} is not there",
        hint=f"{how}; it is github.com/{wanted.repository} at {wanted.commit[:12]}",
    )


def find_data(name: str) -> Path | None:
    """The folder of a set, or None where it is not there."""
    folders = (folder / SETS[name].folder for folder in _candidates())
    return next((folder for folder in folders if folder.is_dir()), None)


def _candidates() -> list[Path]:
    told = _told.get()
    if told is not None:
        return [told]
    checkout = Path(__file__).resolve().parents[4]
    return [Path(HERE), Path("..") / _BESIDE, checkout.parent / _BESIDE]
