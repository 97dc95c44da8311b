"""Waiting for failing storage: reported once, and once more when it works again."""

from phalanx.core import Clock, StorageError
from phalanx.telemetry._limits import STORAGE_PAUSE_S
from phalanx.telemetry._log import Logger


class StorageWait:
    """Of one loop, or of many that write to one store. ``what`` waits, in the plural."""

    def __init__(self, what: str, clock: Clock, log: Logger) -> None:
        self._what, self._clock, self._log = what, clock, log
        self._waiting = False

    async def rest(self, error: StorageError) -> None:
        if not self._waiting:
            self._waiting = True
            self._log.warning(f"{self._what} wait for storage", reason=error.message)
        await self._clock.sleep(STORAGE_PAUSE_S)

    def over(self) -> None:
        """What was to be written is written."""
        if self._waiting:
            self._waiting = False
            self._log.info(f"{self._what} wait for storage no longer")
