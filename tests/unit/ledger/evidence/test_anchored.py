"""An anchor in a bundle counts under the key that the log announced, and the file shows that it did."""

import base64
import json

import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.crypto import SLH_DSA_SHA2_128F, SigningKey
from phalanx.ledger import Anchors, LedgerTampered
from phalanx.ledger._anchor import sign_anchor
from phalanx.ledger.evidence import BrokenLink, Link, canonical, verify_bundle
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("IRS-4")

KEY, STRANGER = SigningKey.generate(SLH_DSA_SHA2_128F), SigningKey.generate(SLH_DSA_SHA2_128F)
DAY = "2026-01-01"


async def anchored(office):
    """Entries 0 to 5, the announcement, an anchor at 7, and more entries."""
    await office.record(*range(6))
    anchors = Anchors(office.store, office.world.offload, office.world.clock)
    await anchors.announce(KEY.public, office.ledger)
    checkpoint = await office.ledger.checkpoint()
    await anchors.sign(KEY, checkpoint, DAY)
    await office.record(*range(6, 12))
    return checkpoint


@pytest.fixture(scope="module")
def made(new_office):
    """A bundle with an anchor; the same anchor by a stranger; and another entry with its path in the anchored tree."""

    async def on(world):
        office = await new_office(world).open()
        checkpoint = await anchored(office)
        data = await office.evidence.export(DEFAULT_TENANT, "host-1")
        note = sign_anchor(STRANGER, checkpoint, DAY).note
        (entry,) = await office.ledger.entries(4, 1)
        proof = await office.ledger.prove(5, 7)
        other = {"index": 5, "leaf": entry.leaf.decode(), "path": list(proof.path)}
        return data, note, other

    return SimWorld(1).run(on)


def changed(data, change):
    document = json.loads(data)
    change(document, next(mark["anchor"] for mark in document["marks"]))
    return canonical(document)


def broken(data, change, link, reason):
    with pytest.raises(BrokenLink, match=reason) as caught:
        verify_bundle(changed(data, change))
    assert (caught.value.link, caught.value.where) == link


ANCHOR, DOCUMENT = (Link.ANCHOR, "mark 0"), (Link.DOCUMENT, "the bundle")


def test_the_file_shows_which_entry_announced_the_key(made):
    data, _, _ = made
    (mark,) = verify_bundle(data).anchors
    assert (mark.size, mark.day, mark.key, mark.announced) == (7, DAY, KEY.public.fingerprint, 6)
    assert json.loads(data)["version"] == 2


def test_an_anchor_by_a_stranger_is_none(made):
    """Signature and checkpoint are as they should be; the key is one that the log knows nothing of."""
    data, note, other = made

    def forge(document, anchor):
        anchor |= {"note": note, "key": base64.b64encode(STRANGER.public.raw).decode()}

    def forge_with_another_entry(document, anchor):
        forge(document, anchor)
        anchor["announcement"] = other

    broken(data, forge, ANCHOR, f"entry 6 does not announce its key, {STRANGER.public.fingerprint}")
    broken(data, forge_with_another_entry, ANCHOR, "entry 5 does not announce its key")


def test_the_announcement_stands_under_the_anchored_root(made):
    data, _, other = made

    def leaf(document, anchor):
        anchor["announcement"]["leaf"] = anchor["announcement"]["leaf"].replace('"node"', '"mode"')

    def path(document, anchor):
        anchor["announcement"]["path"] = other["path"]

    def index(document, anchor):
        anchor["announcement"]["index"] = 7

    for change, reason in ((leaf, "another root"), (path, "the entry that announces"), (index, "there is no leaf 7")):
        broken(data, change, ANCHOR, reason)


def test_a_file_of_version_1_holds_and_says_that_nothing_ties_the_key(made):
    data, _, _ = made

    def first_version(document, anchor):
        document["version"] = 1
        del anchor["announcement"]

    (mark,) = verify_bundle(changed(data, first_version)).anchors
    assert (mark.size, mark.key, mark.announced) == (7, KEY.public.fingerprint, None)
    broken(data, lambda document, anchor: document.update(version=1), DOCUMENT, "in a file of version 1")
    broken(data, lambda document, anchor: anchor.pop("announcement"), DOCUMENT, "none in a later one")
    broken(data, lambda document, anchor: document.update(version=3), DOCUMENT, "of version 1 or 2")
    broken(data, lambda document, anchor: document.update(version=True), DOCUMENT, "Expected `int`")


@pytest.mark.parametrize("late", [False, True])
def test_an_anchor_whose_key_was_not_announced_before_is_not_exported(on_office, late):
    async def main(office):
        await office.record(*range(6))
        anchors = Anchors(office.store, office.world.offload, office.world.clock)
        await anchors.sign(STRANGER, await office.ledger.checkpoint(), DAY)
        if late:
            await anchors.announce(STRANGER.public, office.ledger)
        with pytest.raises(LedgerTampered, match="none that the entries under it announce") as caught:
            await office.evidence.export(DEFAULT_TENANT, "host-1")
        assert caught.value.what == f"anchor of {DAY}"

    on_office(main)
