"""Host logs as rows: whose process it was follows from who began it, and nothing that is judged was trained on."""

import numpy as np

from phalanx.bench.analyses import _assessment_hosts
from phalanx.bench.analyses._assessment_hosts import judged_out
from phalanx.bench.analyses._host_logs import HostRows, processes

SYSMON = "Microsoft-Windows-Sysmon/Operational"


def event(kind, guid, image, **more):
    return {"Channel": SYSMON, "EventID": kind, "ProcessGuid": guid, "Image": f"C:\\x\\{image}.exe", **more}


EVENTS = [
    event(1, "a", "mshta", ParentProcessGuid="root", ParentImage="C:\\explorer.exe", CommandLine="mshta x.hta"),
    event(3, "a", "mshta", DestinationIp="192.0.2.1"),
    event(1, "b", "whoami", ParentProcessGuid="a", ParentImage="C:\\x\\mshta.exe"),
    event(5, "b", "whoami"),
    event(1, "c", "notepad", ParentProcessGuid="root", ParentImage="C:\\explorer.exe"),
    event(7, "c", "notepad", ImageLoaded="x.dll", Signed="false"),
    event(1, "d", "single"),
    {"Channel": "Security", "EventID": 4688},
]


def test_what_the_metadata_names_and_its_descendants_are_the_attackers():
    rows, attack = processes(EVENTS, "run mshta from explorer")
    assert attack == [True, True, False], "the system's programs are nobody's, whoever names them"
    assert len(rows) == 3
    assert len({len(row) for row in rows}) == 1
    assert processes(EVENTS, "")[1] == [False, False, False]
    # Names made the labels, and are not in the rows.
    other = [{**one, "Image": "C:\\x\\other.exe"} if "Image" in one else one for one in EVENTS]
    assert processes(other, "run mshta from explorer")[0] == rows


def test_a_recording_is_judged_by_who_saw_none_of_it(monkeypatch):
    # One width of each kernel is enough to see who has a say.
    for name in ("quantum_kernels", "gaussian_kernels"):
        every = getattr(_assessment_hosts, name)()
        monkeypatch.setattr(_assessment_hosts, name, lambda one=every[4:5]: one)
    rng = np.random.default_rng(1)
    recording = np.repeat(np.arange(12), 8)
    attack = np.arange(96) % 4 == 0
    x = rng.exponential(size=(96, 10)) + 3.0 * attack[:, None] * (rng.random((96, 10)) < 0.4)
    rows = HostRows(x, attack, recording, tuple(f"r{at}" for at in range(12)))
    said = judged_out(rows, 1)
    assert {"quantum_kernel", "gaussian_kernel", "trees", "fused_quantum_kernel", "base_rate"} <= set(said)
    flipped = attack.copy()
    flipped[recording == 3] = ~flipped[recording == 3]
    again = judged_out(HostRows(x, flipped, recording, rows.recordings), 1)
    mine = recording == 3
    assert np.allclose(again["quantum_kernel"][mine], said["quantum_kernel"][mine]), "its own labels have no say"
    assert not np.allclose(again["quantum_kernel"][~mine], said["quantum_kernel"][~mine])
