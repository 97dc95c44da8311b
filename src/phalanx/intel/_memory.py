"""What detectors remember between batches, kept in the store as of the sentinel's cursor.

A tenant's states are read before its first batch, and written in the commit that moves the cursor past its batches.
After a failure everything is read anew, so a detector never stands elsewhere than the cursor.
"""

from collections.abc import Sequence

from phalanx.core import NO_TRACE, Store, TenantId, Write, decode
from phalanx.crypto.vault import Shredded
from phalanx.intel._adapting import Steering, Witness
from phalanx.intel._detector import AdaptiveDetector, Detector, StatefulDetector
from phalanx.intel._limits import MAX_DETECTOR_STATE_BYTES
from phalanx.intel._model import DETECTOR_STATES, DetectorState


class Memory:
    """States of detectors, by tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # What people want of thresholds, and what the store knows of their moves.
        self.steering = Steering()
        self._witness = Witness()
        # Which detector stands where the cursor does for which tenant, and what it read since the last commit.
        self._recalled: set[tuple[str, TenantId]] = set()
        self._touched: dict[TenantId, None] = {}

    def forget(self) -> None:
        """Read every state anew before its next use."""
        self._recalled.clear()
        self._touched.clear()
        self._witness = Witness()

    async def recall(self, tenant: TenantId, detectors: Sequence[Detector]) -> list[str]:
        """Bring ``detectors`` to where the store says that they stand for ``tenant``, whose batches come next.

        One that cannot read what is stored begins anew; returned is why.
        """
        self._touched[tenant] = None
        failed = await self._read(tenant, detectors)
        for detector in detectors:
            if isinstance(detector, AdaptiveDetector):
                self.steering.apply(tenant, detector.thresholds(tenant))
        return failed

    async def _read(self, tenant: TenantId, detectors: Sequence[Detector]) -> list[str]:
        failed = []
        for detector in detectors:
            if not isinstance(detector, StatefulDetector) or (detector.name, tenant) in self._recalled:
                continue
            stored = await self._stored(tenant, detector.name)
            try:
                detector.restore(tenant, stored)
            except Exception as error:  # noqa: BLE001 - of another version, or a mistake; the stream goes on
                failed.append(f"{detector.name} cannot read its state: {type(error).__name__}: {error}")
                detector.restore(tenant, None)
            if isinstance(detector, AdaptiveDetector):
                self._witness.restored(tenant, detector.thresholds(tenant))
            self._recalled.add((detector.name, tenant))
        return failed

    async def _stored(self, tenant: TenantId, name: str) -> bytes | None:
        try:
            row = await self._store.get(DETECTOR_STATES, tenant, name)
        except Shredded:
            # Sealed under a key that is gone, as the events are that it was made of.
            return None
        return None if row is None else decode(row.value, DetectorState).data

    def writes(self, detectors: Sequence[Detector], *, at_ns: int) -> tuple[list[Write], list[str]]:
        """States that changed, to be committed with the cursor; and which are too large to be kept."""
        writes: list[Write] = []
        failed = []
        for tenant in self._touched:
            for detector in detectors:
                if not isinstance(detector, StatefulDetector):
                    continue
                data = detector.state(tenant)
                if data is None:
                    continue
                if len(data) > MAX_DETECTOR_STATE_BYTES:
                    failed.append(f"{detector.name} has {len(data)} bytes, more than {MAX_DETECTOR_STATE_BYTES}")
                    continue
                made = DetectorState(id=detector.name, tenant=tenant, trace=NO_TRACE, at_ns=at_ns, data=data)
                writes.append(made.put())
                if isinstance(detector, AdaptiveDetector):
                    moved = self._witness.writes(tenant, detector.name, detector.thresholds(tenant), at_ns=at_ns)
                    writes.extend(moved)
        self._touched.clear()
        return writes, failed
