"""Canary credentials and canary files: made once, planted, and looked after.

A canary user is a name that nobody has, with a password that was drawn once and is kept. Files hold them
to be found. A file that is there already is never written over: then nothing is planted, and somebody is told.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from phalanx.core import (
    NO_TRACE,
    Clock,
    Conflict,
    EntropySource,
    Expect,
    FileMark,
    FileWatch,
    InvalidInput,
    Put,
    Store,
    decode,
    encode,
)
from phalanx.deception._limits import SECRET_BYTES
from phalanx.deception._model import CANARIES, CanaryUser, Decoys

READ, CHANGED, REMOVED = "read", "changed", "removed"


async def canary_users(decoys: Decoys, store: Store, entropy: EntropySource, clock: Clock) -> Mapping[str, str]:
    """Each planted user name and its password; those that are new are made now and kept."""
    return {name: await _secret_of(name, decoys, store, entropy, clock) for name in decoys.users}


async def _secret_of(name: str, decoys: Decoys, store: Store, entropy: EntropySource, clock: Clock) -> str:
    row = await store.get(CANARIES, decoys.tenant, name)
    if row is not None:
        return decode(row.value, CanaryUser).secret
    secret = base64.b32encode(entropy.token(SECRET_BYTES)).decode().rstrip("=").lower()
    made = CanaryUser(id=name, tenant=decoys.tenant, trace=NO_TRACE, at_ns=clock.wall_ns(), name=name, secret=secret)
    put = Put(CANARIES, decoys.tenant, name, encode(made))
    try:
        await store.commit([put], expect=[Expect(CANARIES, decoys.tenant, name, 0)])
    except Conflict:
        # Two duties begin at once, and both need it: the first one's counts.
        return await _secret_of(name, decoys, store, entropy, clock)
    return secret


def bait(path: str, users: Mapping[str, str]) -> bytes:
    """What is in a planted file: what such a file would hold, with the canary credentials in it."""
    lines = [f"# {PurePath(path).stem}: access to the backup console, do not pass on"]
    lines += [f"{name}:{secret}" for name, secret in users.items()]
    return ("\n".join(lines) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Touch:
    """What was done to a planted file, and what tells this touch from another."""

    path: str
    what: str
    key: str


class CanaryFiles:
    """The planted files of a node. ``planted`` are those that are looked at."""

    def __init__(self, paths: Sequence[str], users: Mapping[str, str], files: FileWatch) -> None:
        self._paths = paths
        self._users = users
        self._files = files
        self.planted: dict[str, bool] = {}
        self.refused: dict[str, str] = {}

    async def plant(self) -> None:
        """Put every file where it belongs. One that another wrote stays as it is, and is in ``refused``."""
        for path in self._paths:
            mark, content = await self._files.mark(path), bait(path, self._users)
            if mark is None:
                try:
                    await self._files.plant(path, content)
                except InvalidInput as error:
                    self.refused[path] = error.message
                    continue
            elif await self._files.read(path, max_bytes=len(content) + 1) != content:
                self.refused[path] = "there is another file"
                continue
            elif _touched(mark):
                # Somebody was here while nobody looked: the first look tells it.
                self.planted[path] = True
                continue
            self.planted[path] = await self._files.arm(path)

    async def look(self) -> list[Touch]:
        """What was done since the last look. Each touch is given once as long as ``rearm`` follows it."""
        touches: list[Touch] = []
        for path, sees_reading in self.planted.items():
            mark, content = await self._files.mark(path), bait(path, self._users)
            if mark is None:
                touches.append(Touch(path, REMOVED, ""))
            elif mark.digest != hashlib.sha256(content).hexdigest():
                touches.append(Touch(path, CHANGED, mark.digest))
            elif sees_reading and _touched(mark):
                touches.append(Touch(path, READ, str(mark.read_ns)))
        return touches

    async def rearm(self, touch: Touch) -> None:
        """After a touch was told: ready for the next. A file that was changed is the intruder's now."""
        path = touch.path
        if touch.what == CHANGED:
            del self.planted[path]
            self.refused[path] = "it was changed; remove it to have it planted again"
            return
        if touch.what == REMOVED:
            await self._files.plant(path, bait(path, self._users))
        self.planted[path] = await self._files.arm(path)


def _touched(mark: FileMark) -> bool:
    """Whether it was read since it was armed, which set the time of reading before that of the change."""
    return mark.read_ns >= mark.modified_ns
