"""Taking stock: files and folders are read within bounds, assets judged, the most urgent first."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from phalanx.core import FileWatch, NotFound, Offload
from phalanx.posture._judging import judge, most_urgent_first
from phalanx.posture._limits import MAX_ASSETS, MAX_FILE_BYTES, MAX_FILES, MAX_PER_FILE
from phalanx.posture._model import Asset, Listed
from phalanx.posture._reading import assets_in
from phalanx.posture._source import crypto_in, is_source


@dataclass(frozen=True, slots=True)
class Stock:
    """What was found. ``files`` were read; ``more`` says that a bound was reached and there may be more."""

    assets: tuple[Asset, ...]
    files: int
    more: bool

    @property
    def vulnerable(self) -> int:
        return sum(judge(one).vulnerable for one in self.assets)

    @property
    def digest(self) -> str:
        """What tells this stock from another: what there is and where, not when it was taken."""
        told = "\n".join(
            sorted(f"{one.form} {one.algorithm} {one.size} {one.where}:{one.line} {one.digest}" for one in self.assets)
        )
        return hashlib.sha256(told.encode()).hexdigest()


async def take_stock(
    paths: Sequence[str], files: FileWatch, offload: Offload, *, besides: Sequence[Asset] = ()
) -> Stock:
    """Every certificate, key and use in source code at or below ``paths``, and what is known ``besides``.

    Raises ``NotFound``.
    """
    found, read, more = list(besides), 0, False
    for path in paths:
        here = await files.walk(path, max_files=MAX_FILES - read)
        for file in here:
            try:
                data = await files.read(file, max_bytes=MAX_FILE_BYTES)
            except NotFound:
                # Gone, or not ours to read: an inventory of what can be seen.
                continue
            read += 1
            found += await offload.run(_in_file, data, file)
        more = more or read >= MAX_FILES
    return Stock(tuple(most_urgent_first(found)[:MAX_ASSETS]), read, more or len(found) > MAX_ASSETS)


def _in_file(data: bytes, file: str) -> list[Asset]:
    kept = assets_in(data, file)
    return [*kept, *islice(crypto_in(data, file), MAX_PER_FILE)] if is_source(file) else kept


def listed(asset: Asset) -> Listed:
    """An asset with what is to be done about it."""
    return Listed(
        form=asset.form, name=asset.name, where=asset.where, algorithm=asset.algorithm, size=asset.size,
        use=asset.use.value, until_ns=asset.until_ns, line=asset.line, judgement=judge(asset),
    )  # fmt: skip
