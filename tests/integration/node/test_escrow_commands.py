"""The escrow commands on a stopped node: files in, files out, the ledger in between, and one helpful line when not."""

import asyncio
import contextlib
import json
import shutil
import stat

import click
import pytest
from click.testing import CliRunner

from phalanx.cli._exits import Exit, exit_for
from phalanx.cli._main import root
from phalanx.core import DEFAULT_TENANT, PhalanxError
from phalanx.ledger import Ledger, Unsealed
from phalanx.node import Settings, audit_ledger, build_node, open_ports
from phalanx.telemetry import Telemetry

pytestmark = pytest.mark.requirement("CRY-2")

NAMES = ("ada", "bob", "cho", "maker", "opener")


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory):
    """Keys and cards of five people, a secret, and a folder that a node has been in."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "secret").write_bytes(b"what must not be lost")

    async def first_start():
        async with open_ports(Settings(node={"data_dir": folder / "node"})):
            pass

    asyncio.run(first_start())
    for name in NAMES:
        told = run(folder, "enrol", name, "--key", f"{name}.key", "--card", f"{name}.card")
        assert told["name"] == name
    return folder


@pytest.fixture
def people(enrolled, tmp_path, monkeypatch):
    folder = tmp_path / "work"
    shutil.copytree(enrolled, folder)
    monkeypatch.chdir(folder)
    return folder


def invoke(*args):
    return CliRunner().invoke(root, ["keys", "escrow", *args], catch_exceptions=True)


def run(folder, *args):
    with contextlib.chdir(folder):
        done = invoke(*args, "--json")
    assert done.exception is None, done.exception
    return json.loads(done.stdout)


def fails(*args):
    done = invoke(*args)
    assert isinstance(done.exception, PhalanxError), (done.exception, done.output)
    return exit_for(done.exception), done.exception.message


def made(folder, threshold="2"):
    cards = [part for name in NAMES[:3] for part in ("--custodian", f"{name}.card")]
    return run(
        folder, "create", "secret", *cards, "--threshold", threshold, "--label", "a test", "--key", "maker.key",
        "--out", "escrow.json", "--data-dir", "node",
    )  # fmt: skip


def begun(folder, out="ceremony.json"):
    return run(
        folder, "begin", "escrow.json", "--purpose", "a drill", "--key", "opener.key", "--out", out,
        "--data-dir", "node",
    )  # fmt: skip


def released(folder, name, ceremony="ceremony.json"):
    return run(folder, "release", "escrow.json", ceremony, "--key", f"{name}.key", "--out", f"{name}.release", "--yes")


def opening(*releases, ceremony="ceremony.json", key="opener.key", out="back"):
    return ("open", "escrow.json", ceremony, *releases, "--key", key, "--out", out, "--data-dir", "node")


def ledger_actions(folder):
    async def read():
        async with open_ports(Settings(node={"data_dir": folder / "node"}), existing=True) as ports:
            journal = await ports.journals.open("ledger")
            ledger = await Ledger.open(
                journal, ports.store, ports.signer, clock=ports.clock, telemetry=Telemetry(ports.clock),
                entropy=ports.entropy, offload=ports.offload, sealers=Unsealed(),
            )  # fmt: skip
            entries = await ledger.entries(-1, 100)
            report = await ledger.verify()
            await ledger.close()
            await journal.close()
            return [one.entry.action for one in entries], report

    return asyncio.run(read())


def test_a_secret_goes_into_escrow_and_comes_back(people):
    escrow = made(people)
    assert escrow["custodians"] == ["ada", "bob", "cho"]
    assert run(people, "check", "escrow.json", "--key", "cho.key")["share"] == 3
    begun(people)
    released(people, "cho")
    assert fails(*opening("cho.release"))[0] == Exit.FAILED
    (status,) = run(people, "status", escrow["escrow"], "--data-dir", "node")
    assert (status["state"], status["released"], status["purpose"]) == ("open", ["cho"], "a drill")
    released(people, "ada")
    opened = run(people, *opening("cho.release", "ada.release"))
    assert (opened["used"], opened["lying"]) == (["ada", "cho"], [])
    assert (people / "back").read_bytes() == b"what must not be lost"
    for private in ("back", "ada.key"):
        assert stat.S_IMODE((people / private).stat().st_mode) == 0o600
    assert "it has been used" in fails(*opening(out="again"))[1]
    assert not (people / "again").exists()
    actions, report = ledger_actions(people)
    assert actions == [
        "escrow-made", "escrow-ceremony-begun", "escrow-share-released", "escrow-share-released",
        "escrow-shares-collected", "escrow-opened",
    ]  # fmt: skip
    assert report.signed_size == report.size == 6
    (kept,) = run(people, "status", "--data-dir", "node")
    assert (kept["label"], kept["threshold"]) == ("a test", 2)


def test_what_does_not_belong_is_refused_with_a_reason_and_an_exit_code(people):
    made(people)
    begun(people)
    begun(people, "other.json")
    released(people, "ada")
    (people / "ada.release").rename(people / "old.release")
    released(people, "ada", "other.json")
    released(people, "bob")
    code, message = fails(*opening("ada.release"))
    assert code == Exit.NOT_VERIFIED
    assert "the release of ada is refused: it is for another ceremony" in message
    # The maker holds no key that opens; the custodians' releases are for the opener alone.
    assert fails(*opening("old.release", "bob.release", key="maker.key"))[1].endswith("those of ada, bob do not hold")
    assert not (people / "back").exists()
    assert fails("check", "escrow.json", "--key", "maker.key")[0] == Exit.USAGE
    assert fails("check", "ceremony.json", "--key", "ada.key")[0] == Exit.STORAGE
    assert fails("check", "nothing.json", "--key", "ada.key")[0] == Exit.USAGE
    changed = json.loads((people / "escrow.json").read_text())
    (people / "changed.json").write_text(json.dumps(changed | {"threshold": 1}))
    assert fails("check", "changed.json", "--key", "ada.key")[0] == Exit.NOT_VERIFIED
    assert fails("status", "--data-dir", "nowhere")[0] == Exit.NOT_FOUND
    assert not (people / "nowhere").exists()
    (people / "ada.key").chmod(0o644)
    assert "others may read this key" in fails("check", "escrow.json", "--key", "ada.key")[1]
    assert "there already" in fails("enrol", "ada", "--key", "ada.key", "--card", "new.card")[1]


def test_an_unregistered_ceremony_is_refused_unless_told(people):
    made(people)
    begun(people)
    bare = json.loads((people / "ceremony.json").read_text()) | {"registration": ""}
    (people / "bare.json").write_text(json.dumps(bare))
    call = ("release", "escrow.json", "bare.json", "--key", "ada.key", "--out", "ada.release", "--yes")
    assert fails(*call)[0] == Exit.NOT_VERIFIED
    assert not (people / "ada.release").exists()
    assert invoke(*call, "--even-unregistered").exit_code == 0
    assert json.loads((people / "ada.release").read_text())["unregistered"] is True


def test_a_custodian_is_asked_and_may_say_no(people):
    made(people)
    begun(people)
    call = ["keys", "escrow", "release", "escrow.json", "ceremony.json", "--key", "ada.key", "--out", "ada.release"]
    done = CliRunner().invoke(root, call, input="n\n", standalone_mode=False)
    assert isinstance(done.exception, click.Abort)
    assert "a drill" in done.stderr
    assert not (people / "ada.release").exists()


def test_the_root_key_of_a_vault_is_lost_and_brought_back(people):
    """What escrow is for: a node whose vault does not open any more, and whose ledger still records the ceremony."""
    settings = Settings(node={"data_dir": people / "node"})

    async def runs():
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            sealer = await node.vault.sealer(DEFAULT_TENANT, "test")
            return sealer.seal(b"kept"), node.vault

    async def opens(sealed):
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            return (await node.vault.opener(DEFAULT_TENANT, "test")).open(sealed)

    sealed, _ = asyncio.run(runs())
    root_key = people / "node/keys/root.key"
    (people / "secret").write_bytes(root_key.read_bytes())
    made(people)
    root_key.unlink()
    with pytest.raises(PhalanxError):
        asyncio.run(opens(sealed))
    assert not root_key.exists()
    begun(people)
    released(people, "ada")
    released(people, "bob")
    run(people, *opening("ada.release", "bob.release"))
    assert not root_key.exists(), "nobody makes another root key by accident"
    (people / "back").rename(root_key)
    assert asyncio.run(opens(sealed)) == b"kept"

    async def verified():
        return await audit_ledger(settings)

    assert asyncio.run(verified()).size >= 6
