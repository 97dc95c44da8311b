"""What every detector must do, ours and anybody's.

A check is a function of two arguments: a function that makes the detector anew, and batches of one tenant in which it
finds something, in the order of time. A detector that remembers between batches is also cut off between any two.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from phalanx.core import EventBatch, TenantId
from phalanx.intel import MAX_DETECTOR_STATE_BYTES, Detector, Hit, StatefulDetector

MakeDetector = Callable[[], Detector]
DetectorCheck = Callable[[MakeDetector, Sequence[EventBatch]], None]

_OTHER = TenantId("somebody-else")


def check_detector_says_what_it_found(make: MakeDetector, batches: Sequence[EventBatch]) -> None:
    detector = make()
    hits = _hits(detector, batches)
    assert detector.name.strip() == detector.name != "", "a detector has a name"
    assert hits, "the batches must be such that it finds something in them"
    for hit in hits:
        assert hit.rule.name, "what was found has a name"
        assert hit.rule.title, "and a title for people"
        assert hit.places, "a hit has at least one event as evidence"
        assert all(0 <= place < len(hit.batch) for place in hit.places), "places lie in the batch"
        confidence = hit.rule.confidence if hit.confidence is None else hit.confidence
        assert 0 <= confidence <= 1, "a confidence is from 0 to 1"


def check_detector_is_repeatable(make: MakeDetector, batches: Sequence[EventBatch]) -> None:
    assert _told(make(), batches) == _told(make(), batches), "the same batches gave other hits"


def check_detector_keeps_tenants_apart(make: MakeDetector, batches: Sequence[EventBatch]) -> None:
    """What another tenant's events were makes no difference."""
    alone, among = _told(make(), batches), []
    detector = make()
    for batch in batches:
        detector.evaluate(replace(batch, tenant=_OTHER))
        among += _told(detector, [batch])
    assert among == alone, "another tenant's events changed what was found"


def check_detector_goes_on_after_a_crash(make: MakeDetector, batches: Sequence[EventBatch]) -> None:
    """Cut off after any batch and restored, it finds what it would have found; its state is bounded."""
    if not isinstance(make(), StatefulDetector):
        return
    tenant, whole = batches[0].tenant, _told(make(), batches)
    for cut in range(len(batches) + 1):
        first, second = _stateful(make), _stateful(make)
        first.restore(tenant, None)
        told = _told(first, batches[:cut])
        state = first.state(tenant)
        assert state is None or len(state) <= MAX_DETECTOR_STATE_BYTES, "the state is too large to be kept"
        assert first.state(tenant) is None, "a state that did not change since it was asked for is told as None"
        second.restore(tenant, state)
        assert told + _told(second, batches[cut:]) == whole, f"restored after {cut} batches it found other things"


def check_detector_forgets_when_told(make: MakeDetector, batches: Sequence[EventBatch]) -> None:
    """Restored to nothing, as after a commit that failed, it counts nothing twice."""
    detector = make()
    if not isinstance(detector, StatefulDetector):
        return
    once = _told(detector, batches)
    detector.restore(batches[0].tenant, None)
    assert _told(detector, batches) == once, "it remembered what it was told to forget"


DETECTOR_CHECKS: tuple[DetectorCheck, ...] = (
    check_detector_says_what_it_found,
    check_detector_is_repeatable,
    check_detector_keeps_tenants_apart,
    check_detector_goes_on_after_a_crash,
    check_detector_forgets_when_told,
)


def _hits(detector: Detector, batches: Sequence[EventBatch]) -> list[Hit]:
    return [hit for batch in batches for hit in detector.evaluate(batch)]


def _told(detector: Detector, batches: Sequence[EventBatch]) -> list[tuple[object, ...]]:
    """Hits as values that compare: everything but the batch itself."""
    return [(hit.rule.name, hit.batch.rows[hit.place], *hit[2:]) for hit in _hits(detector, batches)]


def _stateful(make: MakeDetector) -> StatefulDetector:
    made = make()
    assert isinstance(made, StatefulDetector), "it has a state now and then"
    return made
