"""Long values, and values that all differ, are found like any others: whole, in part, and by pattern."""

import random

import pytest

from phalanx.adapters.storage import FolderBlobs
from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, TenantId
from phalanx.intel.archive import Archive, Searches, SegmentFiles, parse
from phalanx.intel.archive._limits import HASH_BLOCK_BYTES, MAX_WORD_BYTES
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

pytestmark = pytest.mark.requirement("INT-1")

TENANT = TenantId("acme")
START_NS = 1_772_445_600 * NS_PER_S
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
N = 60


def words(seed, length):
    draw = random.Random(seed)
    return ["".join(draw.choices(LETTERS, k=length)) for _ in range(N)]


# Longer than what a filter takes as one word, and longer than what is hashed at once.
LONG = words(1, 3 * MAX_WORD_BYTES + 17)
HUGE = [f"begin {'x ' * (HASH_BLOCK_BYTES // 2)} {word} end-of-{word[:40]}" for word in words(2, 300)[:3]]


def asked(*questions):
    """How many events each question finds in segments and in what is not in one yet."""
    batch = EventBatch(
        TENANT, BatchId("0197a000-0000-7000-8000-000000000000"), LogSource("linux"), "json", START_NS, range(N),
        [START_NS + n for n in range(N)], [b""] * N,
        {"token": LONG, "body": [*HUGE, *[None] * (N - len(HUGE))], "short": [f"s{n}" for n in range(N)]},
    )  # fmt: skip

    async def main(world):
        offload = InlineOffload()
        files = SegmentFiles(
            FolderBlobs(world.disk("disk"), "archive"), None, SimEntropy(world.rng), offload, seals=False, cache_bytes=0
        )
        archive = Archive(files, world.store("disk"), world.clock)
        await archive.open()
        archive.add([batch], read_to=(1, 0))
        searches = Searches(archive, world.clock, offload)
        totals = []
        for _ in range(2):
            for question in questions:
                answer = await searches.search(TENANT, parse(question, now_ns=START_NS), timeout_s=100)
                assert answer.complete
                totals.append(answer.total)
            await archive.write()
        assert totals[: len(questions)] == totals[len(questions) :], "in memory and in a segment the same is found"
        return dict(zip(questions, totals, strict=False))

    return SimWorld(7).run(main)


def test_a_long_word_is_found_whole_and_in_part_and_a_part_is_no_word():
    word = LONG[41]
    found = asked(
        word, f"token:{word}", f"token:{word[:200]}*", f"token:*{word[-200:]}", f"token:*{word[100:300]}*",
        f"{word[:150]}*", f"*{word[-150:]}", f"*{word[90:250]}*", word[:MAX_WORD_BYTES], word[MAX_WORD_BYTES:],
        word[:-1], f"{word}a",
    )  # fmt: skip
    assert list(found.values()) == [1] * 8 + [0] * 4


def test_a_pattern_sees_all_of_a_value():
    end = HUGE[1][-40:]
    found = asked(
        f"body:/end-of-{end}$/",
        f"body:/^begin.*{end}$/",
        f"body:*{end}",
        f"{end}",
        "body:/end-of/",
        "body:/not there$/",
    )
    assert list(found.values()) == [1, 1, 1, 1, 3, 0]


def test_each_of_many_different_values_is_found_alone():
    assert set(asked(*[f"token:{word}" for word in LONG]).values()) == {1}
