"""The built-in rules are a detector like any other; and the suite notices detectors that are none."""

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Severity, derive_id
from phalanx.intel import Hit, Pattern, load_rules, read_lines
from phalanx.testing.contracts import DETECTOR_CHECKS

LINES = [
    rb'{"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "ws-7", "ProcessId": %d, '
    rb'"Image": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", '
    rb'"CommandLine": "powershell.exe -enc VwByAGkAdABlAC0ASABvAHMAdAAgACIAaABlAGwAbABvACIA"}' % number
    for number in range(6)
]
BATCHES = [
    batch
    for row in range(0, 6, 2)
    for batch in read_lines(
        LINES[row : row + 2],
        first_row=row,
        reader="auto",
        tenant=DEFAULT_TENANT,
        batch=BatchId(derive_id(1, "batch", str(row))),
        accepted_at_ns=1,
    ).batches
]
SECOND = Pattern(name="second", title="Every second event", severity=Severity.LOW)


class EverySecond:
    """Remembers whether the last event of a tenant was an odd one."""

    name = "every-second"

    def __init__(self):
        self.odd = {}
        self.changed = set()

    def evaluate(self, batch):
        hits = []
        for place in range(len(batch)):
            self.odd[batch.tenant] = not self.odd.get(batch.tenant, False)
            self.changed.add(batch.tenant)
            if not self.odd[batch.tenant]:
                hits.append(Hit(SECOND, batch, (place,)))
        return hits

    def state(self, tenant):
        if tenant not in self.changed:
            return None
        self.changed.discard(tenant)
        return b"odd" if self.odd[tenant] else b"even"

    def restore(self, tenant, state):
        self.odd[tenant] = state == b"odd"
        self.changed.discard(tenant)


class MixesTenants(EverySecond):
    def evaluate(self, batch):
        self.odd = dict.fromkeys((DEFAULT_TENANT, batch.tenant), any(self.odd.values()))
        return super().evaluate(batch)


class Forgets(EverySecond):
    def restore(self, tenant, state):
        self.odd[tenant] = False
        self.changed.discard(tenant)

    def evaluate(self, batch):
        return super().evaluate(batch) if len(batch) < 2 else super().evaluate(batch)[:1]


class Remembers(EverySecond):
    def restore(self, tenant, state):
        if state is not None:
            super().restore(tenant, state)


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
def test_the_built_in_rules_are_a_detector(check):
    check(load_rules, BATCHES)


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
def test_a_detector_that_remembers_is_one(check):
    check(EverySecond, [*BATCHES, BATCHES[0]])


ODD = [read_lines([line], reader="auto", tenant=DEFAULT_TENANT, batch=BatchId(derive_id(1, "one", str(row))),
                  accepted_at_ns=1, first_row=row).batches[0] for row, line in enumerate(LINES[:5])]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "noticed_by"),
    [
        (MixesTenants, "check_detector_keeps_tenants_apart"),
        (Forgets, "check_detector_goes_on_after_a_crash"),
        (Remembers, "check_detector_forgets_when_told"),
    ],
)
def test_the_suite_notices(make, noticed_by):
    (check,) = [check for check in DETECTOR_CHECKS if check.__name__ == noticed_by]
    with pytest.raises(AssertionError):
        check(make, ODD)
