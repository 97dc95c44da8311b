"""Who is where: the members of this process, those that others announced, and the participants of instances."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.messaging._envelope import Envelope
from phalanx.messaging._limits import MAX_INSTANCES, MAX_MEMBERS
from phalanx.messaging._mailbox import Mailbox
from phalanx.messaging._member import EVERYONE, Member, process_of
from phalanx.messaging._readership import may_read


@dataclass(frozen=True, slots=True)
class Instance:
    """The participants of one instance, by address, and the epoch that it is decided in."""

    name: str
    addresses: tuple[str, ...]
    epoch: int


@dataclass(slots=True)
class Resolved:
    """Where an envelope goes: mailboxes here, processes elsewhere, and who was named but may not have it."""

    boxes: dict[str, Mailbox]
    processes: dict[str, None]
    unknown: list[str]
    barred: list[str]


class Directory:
    """See the module. Members of other processes are known as far as they were announced."""

    def __init__(self, process: str) -> None:
        self.process = process
        self.boxes: dict[str, Mailbox] = {}
        self._tagged: dict[str, dict[str, Mailbox]] = {}
        self._elsewhere: dict[str, dict[str, Member]] = {}
        self._far: dict[str, tuple[str, Member]] = {}  # the same by address, with their process
        self._instances: dict[str, Instance] = {}

    def add(self, box: Mailbox) -> None:
        member = box.member
        if member.address in self.boxes:
            raise InvalidInput("agent", f"{member.address} is on the bus already")
        if len(self.boxes) >= MAX_MEMBERS:
            raise LimitExceeded("MAX_MEMBERS", maximum=MAX_MEMBERS, seen=len(self.boxes) + 1)
        self.boxes[member.address] = box
        for tag in member.tags:
            self._tagged.setdefault(tag, {})[member.address] = box

    def remove(self, box: Mailbox) -> None:
        del self.boxes[box.address]
        for tag in box.member.tags:
            del self._tagged[tag][box.address]
            if not self._tagged[tag]:
                del self._tagged[tag]

    def members(self) -> Iterator[Member]:
        """All members that are known, those of this process first."""
        yield from (box.member for box in self.boxes.values())
        for members in self._elsewhere.values():
            yield from members.values()

    def find(self, address: str) -> Member | None:
        box = self.boxes.get(address)
        if box is not None:
            return box.member
        return self._elsewhere.get(process_of(address), {}).get(address)

    def find_elsewhere(self, address: str) -> tuple[str, Member] | None:
        """The process and the member of an address that is not of this process."""
        return self._far.get(address)

    @property
    def processes(self) -> tuple[str, ...]:
        """The other processes that are known."""
        return tuple(self._elsewhere)

    def members_of(self, process: str) -> tuple[Member, ...]:
        """The members that another process announced."""
        return tuple(self._elsewhere.get(process, {}).values())

    def announce(self, process: str, members: Iterable[Member]) -> None:
        """``process`` is there and has exactly these members. It can speak only for addresses of its own."""
        listed = {member.address: member for member in members}
        if len(listed) > MAX_MEMBERS:
            raise LimitExceeded("MAX_MEMBERS", maximum=MAX_MEMBERS, seen=len(listed))
        for address in listed:
            if process == self.process or process_of(address) != process:
                raise InvalidInput("members", f"{process} announces {address}, which is not its own")
        self.lose(process)
        self._elsewhere[process] = listed
        self._far |= {address: (process, member) for address, member in listed.items()}

    def lose(self, process: str) -> None:
        """``process`` is gone."""
        for address in self._elsewhere.pop(process, ()):
            del self._far[address]

    def convene(self, name: str, addresses: Iterable[str], epoch: int) -> None:
        """Say who takes part in an instance; a later epoch replaces an earlier one, never the other way round."""
        known = self._instances.get(name)
        if known is not None and known.epoch > epoch:
            raise InvalidInput("epoch", f"{name} is in epoch {known.epoch} already")
        if known is None and len(self._instances) >= MAX_INSTANCES:
            raise LimitExceeded("MAX_INSTANCES", maximum=MAX_INSTANCES, seen=len(self._instances) + 1)
        self._instances[name] = Instance(name, tuple(addresses), epoch)

    def adjourn(self, name: str) -> None:
        """An instance is over: its name leads to nobody any more, and makes room for another."""
        self._instances.pop(name, None)

    def instance(self, name: str) -> Instance | None:
        return self._instances.get(name)

    def is_stale(self, envelope: Envelope) -> bool:
        """Whether it was said to an instance in an epoch of it that is over."""
        for name in envelope.to:
            if name[:1] == "@" and (known := self._instances.get(name[1:])) is not None:
                return envelope.epoch < known.epoch
        return False

    def resolve(self, envelope: Envelope, *, local_only: bool = False) -> Resolved:
        """Who gets ``envelope``. Who is named itself and may not have it is ``barred``; of a group it is left out."""
        found = Resolved({}, {}, [], [])
        for name in envelope.to:
            if name == EVERYONE or name[:1] in "#@":
                self._resolve_group(name, envelope, found, local_only=local_only)
                continue
            box = self.boxes.get(name)
            if box is not None:
                if may_read(envelope, box.member):
                    found.boxes[name] = box
                else:
                    found.barred.append(name)
            elif not local_only and (member := self.find(name)) is not None:
                if may_read(envelope, member):
                    found.processes[process_of(name)] = None
                else:
                    found.barred.append(name)
            elif not local_only or process_of(name) == self.process:
                found.unknown.append(name)
        return found

    def _resolve_group(self, name: str, envelope: Envelope, found: Resolved, *, local_only: bool) -> None:
        sender = envelope.sender
        if name[:1] == "@":
            instance = self._instances.get(name[1:])
            for address in instance.addresses if instance is not None else ():
                box = self.boxes.get(address)
                if box is not None and address != sender and may_read(envelope, box.member):
                    found.boxes[address] = box
                elif not local_only and self.find(address) is not None and process_of(address) != self.process:
                    found.processes[process_of(address)] = None
            return
        tag = name[1:]
        boxes = self.boxes if name == EVERYONE else self._tagged.get(tag, {})
        for address, box in boxes.items():
            if address != sender and may_read(envelope, box.member):
                found.boxes[address] = box
        if local_only:
            return
        for process, members in self._elsewhere.items():
            if any((name == EVERYONE or tag in one.tags) and may_read(envelope, one) for one in members.values()):
                found.processes[process] = None
