"""Votes and justifications judged from their description, with no code of the protocol but its values.

Statements are put together and digests computed here again, so that a mistake in how the protocol
does it does not hide itself.
"""

import hashlib
import struct

from phalanx.consensus import Certificate, Instance, Justification, Proposal, Timeout
from phalanx.testing.consensus._ideal import IdealVerifier

_PREPARE, _TIMEOUT = 1, 3


class Retold:
    """What anybody who knows the epoch can find out about signed messages of one instance."""

    def __init__(self, instance: Instance, verifier: IdealVerifier) -> None:
        epoch, question = instance.epoch, instance.question
        self._roots = [one.root for one in epoch.participants]
        self._weights = [one.weight for one in epoch.participants]
        self._total = sum(self._weights) + sum(one.weight for one in epoch.left_out)
        self._options = question.options
        self._slot = instance.slot
        self._prefix = b"phalanx consensus v1\x00" + instance.slot + epoch.id + question.context
        self._verifier = verifier
        # Objects with what was found of them; kept, so that none is taken for another.
        self._known: dict[int, tuple[object, bool]] = {}

    def certified(self, shown: Certificate, phase: int) -> bool:
        """Whether more than two thirds signed this, in this phase."""
        if shown.phase != phase or not 0 <= shown.option < len(self._options):
            return False
        known = self._known.get(id(shown))
        if known is None:
            option = struct.pack(">HB", shown.option, 0xFF) + self._options[shown.option].encode()
            statement = self._statement(shown.view, phase, option)
            signed = dict(zip(shown.voters, shown.signatures, strict=True))
            holds = self._two_thirds(list(shown.voters)) and all(
                self._holds(voter, statement, signature) for voter, signature in signed.items()
            )
            known = self._known[id(shown)] = (shown, holds)
        return known[1]

    def justified(self, shown: Proposal) -> bool:
        """Whether this may be proposed in its view."""
        reason = shown.justification
        if shown.view == 1 or reason is None:
            return shown.view == 1 and reason is None
        if not self._left(reason, shown.view - 1):
            return False
        claimed = max(one.high_view for one in reason.timeouts)
        high = reason.high
        if high is not None:
            return claimed <= high.view < shown.view and shown.option == high.option and self.certified(high, _PREPARE)
        if claimed:
            return False
        behind = sum(self._weights[one.voter] for one in reason.timeouts if one.accepts & 1 << shown.option)
        return behind >= 2 * (2 * self._total // 3 + 1) - self._total

    def _left(self, reason: Justification, view: int) -> bool:
        known = self._known.get(id(reason))
        if known is None:
            holds = self._two_thirds([one.voter for one in reason.timeouts]) and all(
                one.view == view and one.slot == self._slot and self._signed(one) for one in reason.timeouts
            )
            known = self._known[id(reason)] = (reason, holds)
        return known[1]

    def _signed(self, one: Timeout) -> bool:
        try:
            claim = struct.pack(">HHI", one.high_view, one.high_option, one.accepts)
        except struct.error:
            return False
        return self._holds(one.voter, self._statement(one.view, _TIMEOUT, claim), one.signature)

    def _two_thirds(self, voters: list[int]) -> bool:
        if len(set(voters)) < len(voters) or not all(0 <= voter < len(self._weights) for voter in voters):
            return False
        return 3 * sum(self._weights[voter] for voter in voters) > 2 * self._total

    def _holds(self, voter: int, statement: bytes, signature: bytes) -> bool:
        return self._verifier.verify_many([(self._roots[voter], statement, signature)])[0]

    def _statement(self, view: int, phase: int, value: bytes) -> bytes:
        return self._prefix + struct.pack(">HB", view, phase) + hashlib.sha256(value).digest()
