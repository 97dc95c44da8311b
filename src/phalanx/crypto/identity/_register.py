"""What is known of certificates besides what they say: revocations and epochs, in memory, at once.

Invariants:

- what a list revokes is in force when ``apply`` returns: verified chains that rest on it are
  forgotten and every listener has been told, in the same step of the event loop;
- a verified chain is only ever answered from memory while the standing it was checked against is
  the present one, and while none of its links has expired; the same goes for whoever keeps an answer by ``changes``;
- a listener that fails does not keep the others from being told.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable

from phalanx.core import AlertLevel, AlertSink, Overloaded
from phalanx.crypto.identity._errors import EpochPassed, Revoked
from phalanx.crypto.identity._limits import LATEST_NS, MAX_LISTENERS, MAX_VERIFIED
from phalanx.crypto.identity._model import Subject
from phalanx.crypto.identity._path import Verified
from phalanx.crypto.identity._revocation import Listed, Revocation, RevocationList

Listener = Callable[[Revocation], None]


class Register:
    """Implements ``Standing``, and tells whoever asked when something is revoked."""

    def __init__(self, alerts: AlertSink) -> None:
        self._alerts = alerts
        self._lists: dict[Subject, RevocationList] = {}
        self._listed = Listed()
        self._epochs: dict[Subject, tuple[tuple[int, int], ...]] = {}
        self._listeners: dict[int, Listener] = {}
        self._next_listener = 0
        self._verified: OrderedDict[tuple[str, ...], Verified] = OrderedDict()
        # How often something was put in force, and every moment from which something is, in order.
        self.changes = 0
        self._dates: list[int] = []

    def unchanged_until_ns(self, at_ns: int) -> int:
        """Until when what holds now still does, should nothing else be put in force: some of it is dated ahead."""
        place = bisect_right(self._dates, at_ns)
        return self._dates[place] if place < len(self._dates) else LATEST_NS

    def revoked(self, subject: Subject, serial: str, at_ns: int) -> str:
        return self._listed.revoked(subject, serial, at_ns)

    def epoch(self, subject: Subject, at_ns: int) -> int:
        return max((epoch for since_ns, epoch in self._epochs.get(subject, ()) if since_ns <= at_ns), default=0)

    def known_list(self, issuer: Subject) -> RevocationList | None:
        return self._lists.get(issuer)

    def revocation(self, subject: Subject, serial: str) -> Revocation | None:
        """Also one that only takes effect later, as a rotation's does."""
        return self._listed.get(subject, serial)

    def apply(self, offered: RevocationList) -> None:
        """Put a list in force. The caller has checked that it may, and has it on disk."""
        known = self._lists.get(offered.issuer)
        before = set(known.entries) if known else set()
        self._lists[offered.issuer] = offered
        self._listed = Listed(*self._lists.values())
        self._changed()
        self._tell(entry for entry in offered.entries if entry not in before)

    def set_epochs(self, subject: Subject, epochs: tuple[tuple[int, int], ...]) -> None:
        self._epochs[subject] = epochs
        self._changed()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each new revocation, at once. Returns what ends it."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise Overloaded("the list of who is told of revocations", retry_after_s=1)
        number = self._next_listener = self._next_listener + 1
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    def require(self, verified: Verified, at_ns: int) -> None:
        """Whether what held once still does; a dictionary look-up per link. Raises ``Revoked`` or ``EpochPassed``."""
        for place, link in enumerate(verified.links):
            if reason := self.revoked(link.subject, link.serial, at_ns):
                raise Revoked(place, str(link.subject), f"revoked: {reason}")
            if link.epoch < (lowest := self.epoch(link.subject, at_ns)):
                raise EpochPassed(place, str(link.subject), f"it is of epoch {link.epoch}, and {lowest} has begun")

    def remembered(self, key: tuple[str, ...], at_ns: int) -> Verified | None:
        found = self._verified.get(key)
        if found is None or not found.at_ns <= at_ns < found.until_ns:
            return None
        # A revocation or a rotation may have been dated ahead.
        self.require(found, at_ns)
        self._verified.move_to_end(key)
        return found

    def remember(self, key: tuple[str, ...], verified: Verified) -> None:
        self._verified[key] = verified
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)

    def forget(self) -> None:
        """Forget every verified chain: what they were believed for has changed."""
        self._verified.clear()

    def _changed(self) -> None:
        self._verified.clear()
        self.changes += 1
        dates = {entry.since_ns for one in self._lists.values() for entry in one.entries}
        self._dates = sorted(dates.union(since_ns for epochs in self._epochs.values() for since_ns, _ in epochs))

    def _tell(self, news: Iterable[Revocation]) -> None:
        for entry in news:
            for listener in list(self._listeners.values()):
                try:
                    listener(entry)
                except Exception as error:  # noqa: BLE001 - the others must be told whatever one of them does
                    self._alerts.alert(
                        AlertLevel.URGENT, "crypto", "a listener failed while a revocation took effect",
                        subject=entry.subject, problem=repr(error),
                    )  # fmt: skip
