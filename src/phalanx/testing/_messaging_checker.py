"""What must hold of messaging, told from outside: from what was sent, what the receipts said, and what was taken.

No code is shared with the room but its words. Labels are bodies: each envelope has its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from phalanx.testing._checking import Checker

# Refusals that only an attack, or something out of date, can cause.
SUSPICIONS = frozenset({"FORGED_SENDER", "REPLAYED", "MALFORMED", "STALE_EPOCH"})


@dataclass(slots=True)
class Sent:
    """What was accepted from a sender, and what its receipt said in the end. ``life`` is the sender's incarnation."""

    sender: str
    life: int
    at_ns: int
    readers: frozenset[str]
    is_acknowledged: bool
    is_durable: bool
    processes: frozenset[str]
    taken: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    has_end: bool = False


@dataclass(slots=True)
class MessagingChecker:
    """Judges a whole run. ``agents`` are all addresses, by their process."""

    checker: Checker
    agents: dict[str, tuple[str, ...]]
    sent: dict[bytes, Sent] = field(default_factory=dict)
    takes: dict[bytes, list[tuple[str, int]]] = field(default_factory=dict)

    def accepted(self, label: bytes, sent: Sent) -> None:
        self.sent[label] = sent
        self.checker.count("sent")

    def took(self, address: str, life: int, sender: str, label: bytes) -> None:
        """An agent took something: it was sent, to it, by whom it says, and it had it not before in this life."""
        require = self.checker.require
        sent = self.sent.get(label)
        if sent is None:
            self.checker.violation("something was taken that nobody sent", address, label)
            return
        require(sent.sender == sender, "something seems to come from somebody else", address, sender, label)
        require(address in sent.readers, "something was taken by whom it was not for", address, label)
        taken = self.takes.setdefault(label, [])
        require((address, life) not in taken, "something was taken twice", address, label)
        taken.append((address, life))
        self.checker.count("taken")

    def ended(self, label: bytes, taken: int, refused: Iterable[tuple[str, str]]) -> None:
        """A receipt came to its end."""
        sent = self.sent[label]
        sent.taken, sent.refused, sent.has_end = taken, tuple(refused), True
        really = len({address for address, _ in self.takes.get(label, ())})
        if sent.is_acknowledged:
            self.checker.require(taken <= really, "a receipt counts more than took it", label, taken, really)
        for name, why in sent.refused:
            self.checker.require(why not in SUSPICIONS, "an honest envelope was called an attack", label, name, why)
            self.checker.count(f"refused {why.lower()}")

    def finish(self, crashes: dict[str, list[int]], settled_ns: int) -> None:
        """The network has healed and all is quiet. ``crashes``: when each process ended its lives, in order."""
        for label, sent in self.sent.items():
            process = sent.sender.partition("/")[0]
            ends = crashes[process]
            lived = sent.life >= len(ends)
            if lived:
                self.checker.require(sent.has_end, "a receipt never came to its end", label)
                if not sent.taken and not sent.refused:
                    self.checker.violation("an envelope went without a word", label)
            if sent.is_durable and (lived or ends[sent.life] - sent.at_ns > settled_ns):
                self._require_everywhere(label, sent)

    def _require_everywhere(self, label: bytes, sent: Sent) -> None:
        """What is durable reaches every process that it was on the way to, crashes or not."""
        took = {address for address, _ in self.takes.get(label, ())}
        refused = {name for name, _ in sent.refused}
        for process in sent.processes - refused:
            for address in self.agents[process]:
                if address in sent.readers and address not in refused:
                    self.checker.require(address in took, "something durable was lost", label, address)
                    self.checker.count("durable arrivals checked")
