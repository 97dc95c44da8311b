"""What the commands about a ledger's witnesses print, from a node's answers."""

import json

import msgspec
import pytest
from click.testing import CliRunner

from phalanx.cli._client import NodeClient
from phalanx.cli._main import root
from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry, derive_id
from phalanx.crypto import HybridSigner
from phalanx.ledger import Ledger, Unsealed
from phalanx.ledger.evidence import CaseIndex, Evidence
from phalanx.ledger.witness import GossipMessage, PrefixProof, TrustedLog, Witnesses, split_view
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import SimLog, SimWorld

pytestmark = pytest.mark.requirement("IRS-4")

KEYS = {
    "log": "phalanx-ledger/aa", "log_keys": ["phalanx-ledger/aa+1+AA", "phalanx-ledger/aa+2+BB"],
    "fingerprint": "ff" * 32, "witness": "phalanx-witness/aa", "witness_keys": ["phalanx-witness/aa+3+CC"],
}  # fmt: skip
WITNESSES = {
    "size": 12, "quorum": 2, "degraded": True,
    "witnesses": [
        {"name": "phalanx-witness/bb", "url": "http://b", "size": 12, "behind": 0, "cosigned_at_s": 1_767_225_600,
         "problem": ""},
        {"name": "phalanx-witness/cc", "url": "http://c", "size": 0, "behind": 12, "cosigned_at_s": 0,
         "problem": "there is no answer"},
    ],
}  # fmt: skip
WITNESSED = {"items": [{"origin": "phalanx-ledger/dd", "size": 3, "cosigned_at_ns": 1_767_225_600 * 10**9, "open": 1}]}
SPLIT = {
    "items": [
        {"id": "00000000-0000-7000-8000-000000000001", "origin": "phalanx-ledger/dd",
         "found_at_ns": 1_767_225_600 * 10**9, "source": "http://b", "evidence": {"kind": "phalanx-split-view"}},
    ],
}  # fmt: skip


@pytest.fixture
def ledger(monkeypatch):
    """Runs ``phalanx ledger …`` against a node that gives these answers."""
    answers = {
        "/v1/witness": KEYS,
        "/v1/ledger/witnesses": WITNESSES,
        "/v1/ledger/witnessed": WITNESSED,
        "/v1/ledger/split-views": SPLIT,
    }
    monkeypatch.setattr(NodeClient, "get", lambda client, path, **params: answers[path])

    def run(*arguments):
        done = CliRunner().invoke(root, ["ledger", *arguments, "--url", "http://node:8470"], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    return run


def test_keys_are_settings_that_the_other_node_can_read(ledger):
    import tomllib

    settings = tomllib.loads(ledger("keys"))["ledger"]
    assert settings["witness_for"] == [{"url": "http://node:8470", "keys": KEYS["log_keys"]}]
    assert settings["witnesses"] == [{"url": "http://node:8470/v1/witness", "keys": KEYS["witness_keys"]}]
    assert json.loads(ledger("keys", "--json")) == KEYS


def test_witnesses_say_who_is_behind_and_why(ledger):
    shown = ledger("witnesses")
    assert "Witnesses of 12 entries, 2 needed" in shown
    first, second = (line for line in shown.splitlines() if line.startswith("phalanx-witness"))
    assert first.split() == ["phalanx-witness/bb", "12", "0", "2026-01-01", "00:00:00", "–"]
    assert second.split()[1:4] == ["0", "12", "–"]
    assert "there is no answer" in second
    assert "fewer than needed" in shown
    assert "phalanx-ledger/dd" in shown
    assert json.loads(ledger("witnesses", "--json"))["ledger"] == WITNESSES


def test_split_views_name_the_ledger_and_give_the_evidence_as_json(ledger):
    assert "phalanx-ledger/dd" in ledger("split-views")
    assert json.loads(ledger("split-views", "--json"))[0]["evidence"] == {"kind": "phalanx-split-view"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Files of one ledger at two sizes, and of another history under its key."""
    folder = tmp_path_factory.mktemp("bundles")
    signer = HybridSigner.generate()

    async def export(world, name, n, more):
        telemetry, store, clock = Telemetry(world.clock), world.store(name), world.clock
        ledger = await Ledger.open(
            await world.journals(name).open("ledger"), store, signer,
            clock=clock, telemetry=telemetry, entropy=world.entropy, offload=world.offload, sealers=Unsealed(),
        )  # fmt: skip
        witnesses = Witnesses(
            ledger, store, [], quorum=0,
            calls=world.calls.of(name), clock=clock, telemetry=telemetry, alerts=Alerts(telemetry),
        )  # fmt: skip
        evidence = Evidence(ledger, witnesses, store, CaseIndex(ledger, store, signer, clock))
        files = []
        for size in (n, n + more):
            for number in range(ledger.size, size):
                await ledger.record(
                    AuditEntry(
                        id=derive_id(1, name, str(number)), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=number,
                        actor="policy", action="approved", subject=str(number), case="host-1",
                    )
                )  # fmt: skip
            files.append(await evidence.export(DEFAULT_TENANT, "host-1"))
        proof = GossipMessage(proofs=(await prefix(ledger, n, n + more),)).to_bytes()
        return [*files, proof]

    async def main(world):
        return await export(world, "true", 3, 2), await export(world, "lie", 3, 0)

    (small, large, proof), (lie, _, _) = SimWorld(1).run(main)
    for name, data in {"small": small, "large": large, "lie": lie}.items():
        (folder / name).write_bytes(data)
    return folder, json.loads(proof), signer.public.fingerprint


async def prefix(ledger, old, new):
    root, path = await ledger.prefix(old, new)
    return PrefixProof(
        origin=ledger.origin, old=old, new=new, old_root=root.hex(), path=tuple(step.hex() for step in path)
    )


def run(*arguments):
    """Exit code and output, as the shell gets them."""
    import os
    import subprocess
    import sys

    command = [sys.executable, "-m", "phalanx", "ledger", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"}, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_export_checks_what_it_writes_and_says_what_it_is(bundles, tmp_path, monkeypatch):
    folder, _, fingerprint = bundles
    monkeypatch.setattr(NodeClient, "get", lambda client, path, **params: json.loads((folder / "small").read_bytes()))
    out, page = tmp_path / "evidence.json", tmp_path / "timeline.md"
    done = CliRunner().invoke(
        root, ["ledger", "export", "--case", "host-1", "--out", str(out), "--timeline", str(page)],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0
    assert out.read_bytes() == (folder / "small").read_bytes()
    assert page.read_text().startswith("# Timeline\n")
    assert "3 entries under a checkpoint of 3" in done.stdout
    assert fingerprint in done.stdout
    assert "no witness has cosigned it" in done.stdout


def test_verify_says_what_holds_and_names_what_breaks(bundles, tmp_path):
    folder, _, fingerprint = bundles
    code, said = run("verify", folder / "small")
    assert (code, "3 entries of case host-1: verified" in said, "pin it with --key" in said) == (0, True, True)
    code, said = run("verify", folder / "small", "--key", fingerprint, "--json")
    assert (code, json.loads(said)["signer"]) == (0, fingerprint)
    code, said = run("verify", folder / "small", "--key", "0" * 64)
    assert (code, "at the key of the signer" in said) == (6, True)
    broken = tmp_path / "broken"
    broken.write_bytes((folder / "small").read_bytes().replace(b"approved", b"refused!", 1))
    code, said = run("verify", broken)
    assert (code, "breaks at the leaf of entry 0" in said, "Traceback" in said) == (6, True, False)
    code, said = run("verify", tmp_path / "nowhere")
    assert (code, "cannot be read" in said) == (2, True)
    code, said = run("verify", "--timeline")
    assert (code, "name it" in said) == (2, True)


def test_compare_ends_with_a_code_for_each_answer(bundles, monkeypatch):
    folder, proof, _ = bundles
    assert run("compare", folder / "small", folder / "small")[0] == 0
    code, said = run("compare", folder / "lie", folder / "small", "--json")
    assert (code, json.loads(said)["relation"]) == (6, "split-view")
    monkeypatch.setattr(NodeClient, "post", lambda client, path, **params: proof)

    def compared(*more):
        return CliRunner().invoke(
            root, ["ledger", "compare", str(folder / "small"), str(folder / "large"), *more], standalone_mode=False
        )

    assert "not shown" in compared().stdout
    assert "one history" in compared("--ask").stdout


def test_a_split_view_is_verified_as_split_views_json_prints_it(tmp_path):
    async def main(world):
        log = SimLog(HybridSigner.generate(), world.clock)
        log.append(b"1")
        lie = SimLog(log._signer, world.clock)
        lie.append(b"2")
        trusted = TrustedLog.of(log.origin, log.public_key)
        return split_view(trusted, (await log.checkpoint()).note, (await lie.checkpoint()).note, b"")

    evidence = msgspec.to_builtins(SimWorld(1).run(main))
    file = tmp_path / "split.json"
    for document in (evidence, [{"id": "x", "evidence": evidence}]):
        file.write_text(json.dumps(document))
        code, said = run("verify", file)
        assert (code, "signed two histories: sizes 1 and 1" in said) == (0, True)
    file.write_text(json.dumps(evidence | {"prefix_root": "00" * 32}))
    assert run("verify", file)[0] == 6
