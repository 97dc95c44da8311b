"""Values are not read where everything that has them is meant already, and nothing is missed for it."""

import random

import pytest

from phalanx.adapters.storage import FolderBlobs
from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId
from phalanx.intel.archive import Archive, InvalidQuery, Searches, SegmentFiles, parse
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

TENANT = TenantId("acme")
START_NS = 1_772_445_600 * NS_PER_S
N = 400


def scripts(seed):
    """Texts too many and too different to lie in a directory."""
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz0123456789 ", k=700)) for _ in range(N)]


def batch_of(number, service, columns):
    return EventBatch(
        TENANT, BatchId(f"0197a000-0000-7000-8000-0000{number:03x}00000"), LogSource("windows", "", service), "json",
        START_NS, range(N), [START_NS + n for n in range(N)], [b""] * N, columns,
    )  # fmt: skip


def asked(question, channels):
    """How many events are found, and the columns whose values were read for it."""
    batches = [
        batch_of(1, "powershell", {"Channel": channels, "Script": [f"run powershell {one}" for one in scripts(1)]}),
        batch_of(2, "sysmon", {"Channel": ["Sysmon"] * N, "Command": [f"{n % 7} powershell.exe" for n in range(N)],
                               "Trace": [f"powershell {one}" if n < 9 else one for n, one in enumerate(scripts(2))]}),
    ]  # fmt: skip

    async def main(world):
        offload = InlineOffload()
        files = SegmentFiles(
            FolderBlobs(world.disk("disk"), "archive"), None, SimEntropy(world.rng), offload, seals=False,
            cache_bytes=1 << 30,
        )  # fmt: skip
        archive = Archive(files, world.store("disk"), world.clock)
        await archive.open()
        archive.add(batches, read_to=(1, 0))
        await archive.write()
        (segment,) = archive.segments(TENANT)
        answer = await Searches(archive, world.clock, offload).search(TENANT, parse(question, now_ns=START_NS))
        shard = await files.use(segment)
        return answer.total, {name for name, at in shard.names.items() if f"v{at}" in shard.loaded}

    return SimWorld(7).run(main)


@pytest.mark.requirement("INT-1")
def test_a_column_that_only_events_have_which_are_meant_already_is_not_read():
    assert asked("powershell* | timeline 1h", ["Microsoft-PowerShell/Operational"] * N) == (2 * N, set())
    found, read = asked("operational | timeline 1h", ["Microsoft-PowerShell/Operational"] * N)
    assert (found, read) == (N, set()), "of the other columns filters say that they have no such word"


@pytest.mark.requirement("INT-1")
def test_one_event_that_is_not_meant_has_its_columns_read():
    channels = ["Microsoft-PowerShell/Operational"] * N
    channels[17] = "Application"
    assert asked("powershell* | timeline 1h", channels) == (2 * N, {"Script"})
    assert asked("NOT powershell* | timeline 1h", channels) == (0, {"Script"})
    assert asked("Script:powershell* | timeline 1h", channels) == (0, {"Script"}), "a field that is named is read"


def test_a_digit_that_spells_no_number_is_no_number_of_rows():
    with pytest.raises(InvalidQuery):
        parse("| top \u00b2 Channel", now_ns=START_NS)
