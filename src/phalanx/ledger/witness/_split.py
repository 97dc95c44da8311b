"""A split view: proof, for anybody, that one log showed two histories.

Two checkpoints that a log's own keys signed cannot both be of one append-only log when

- they are of one size and name different roots; or
- they are of different sizes and the larger tree has, at the smaller size, another root than the
  smaller checkpoint names. A consistency proof from that other root to the larger checkpoint's
  shows it, for a proof binds both of its roots.

The document carries everything: notes, proof, and the keys as verifier keys. It convinces as far
as its keys do: compare them with those that are known for the log.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from phalanx.core import InvalidInput
from phalanx.ledger._errors import InvalidProof
from phalanx.ledger._merkle import verify_consistency
from phalanx.ledger.witness._keys import Head, TrustedLog
from phalanx.ledger.witness._limits import MAX_PROOF_LINES

KIND = "phalanx-split-view"


class SplitView(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=KIND):
    """``first`` is the smaller checkpoint; under ``second`` its place has the root ``prefix_root``. Hashes in hex."""

    origin: str
    keys: tuple[str, ...]
    first: str
    second: str
    prefix_root: str
    path: tuple[str, ...] = ()

    def verify(self, log: TrustedLog | None = None) -> tuple[Head, Head]:
        """Both heads, once they are shown to contradict each other; raises ``InvalidCheckpoint``, ``InvalidProof``.

        Against the keys of ``log``; without it against its own, which the caller then has to compare.
        """
        log = log or TrustedLog.from_texts(self.keys)
        first, second = log.read(self.first), log.read(self.second)
        if len(self.path) > MAX_PROOF_LINES:
            raise InvalidProof(f"it has more than {MAX_PROOF_LINES} steps")
        try:
            prefix_root = bytes.fromhex(self.prefix_root)
            path = [bytes.fromhex(step) for step in self.path]
        except ValueError as error:
            raise InvalidProof(f"a hash is not hexadecimal: {error}") from error
        verify_consistency(first.size, second.size, prefix_root, second.root, path)
        if prefix_root == first.root:
            raise InvalidProof("the two checkpoints are of one history")
        return first, second


def split_view(log: TrustedLog, one: str, other: str, prefix_root: bytes, path: tuple[bytes, ...] = ()) -> SplitView:
    """The document for two signed notes of ``log``: the same one whichever comes first.

    Raises as ``SplitView.verify`` does when they do not contradict each other. Of two roots of one
    size the proof is trivial, and ``prefix_root`` is not looked at.
    """
    (first, first_note), (second, second_note) = sorted(
        ((log.read(note), note) for note in (one, other)), key=lambda read: (read[0].size, read[0].root)
    )
    if first.size == second.size:
        prefix_root, path = second.root, ()
    made = SplitView(
        origin=log.origin,
        keys=tuple(map(str, log.keys)),
        first=log.own_lines(first_note),
        second=log.own_lines(second_note),
        prefix_root=prefix_root.hex(),
        path=tuple(step.hex() for step in path),
    )
    made.verify(log)
    return made


def read_split_view(document: Mapping[str, Any]) -> SplitView:
    """From JSON that was read; raises ``InvalidInput``. Says nothing about whether it shows anything."""
    try:
        return msgspec.convert(dict(document), SplitView)
    except msgspec.ValidationError as error:
        raise InvalidInput("split view", str(error)) from error
