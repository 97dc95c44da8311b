"""The verifier in one file gives the verdicts of `phalanx ledger verify`, whatever is done to a bundle."""

import base64
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from phalanx.ledger.evidence import BrokenLink, canonical, verify_bundle

pytestmark = pytest.mark.requirement("IRS-4")

SCRIPT = Path(__file__).resolve().parents[3] / "examples" / "verify_evidence.py"
FLIPS = 900
EDITS = 900
LINKS = {
    "document", "key", "checkpoint", "cosignature", "consistency", "timestamp", "anchor", "leaf", "path", "commitment",
    "timeline",
}  # fmt: skip


@pytest.fixture(scope="module")
def alone():
    spec = importlib.util.spec_from_file_location("verify_evidence", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ours(data, **options):
    try:
        report = verify_bundle(data, **options)
    except BrokenLink as broken:
        return broken.link.value, broken.where
    return {
        "case": report.case, "tenant": report.tenant, "origin": report.origin, "signer": report.signer,
        "size": report.size, "root": report.root, "signed_at_s": report.signed_at_s,
        "entries": [index for index, _ in report.entries], "undisclosed": report.undisclosed,
        "witnesses": [{"name": name, "cosigned_at_s": at_s} for name, at_s in report.witnesses],
        "timestamps": [{"size": one.size, "at_s": one.at_s} for one in report.timestamps],
        "anchors": [{"size": one.size, "day": one.day, "key": one.key, "announced": one.announced, "checked": True}
                    for one in report.anchors],
    }  # fmt: skip


def theirs(alone, data, *options):
    try:
        return alone.verify(data, *options)
    except alone.Broken as broken:
        return broken.link, broken.where


def strings(value, path=()):
    """Every string and number of a document, by its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from strings(inner, (*path, number))
    else:
        yield path, value


def put(document, path, value):
    *way, last = path
    for step in way:
        document = document[step]
    document[last] = value


def spoilt(rng, value):
    """Another value of the same kind, or of another."""
    if value is None:
        return rng.choice(["", "00" * 32])
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, -value, 0, str(value), True, 2**63, value * 2])
    kind = rng.randrange(7)
    if kind == 0 or not value:
        return rng.choice(["", None, 7, [], "x"])
    at = rng.randrange(len(value))
    if kind == 1:
        return value[:at] + value[at + 1 :]
    if kind == 2:
        return value[:at] + rng.choice(["\n", " ", "+", "—", "0", "A", "\u202e"]) + value[at:]
    if kind == 3 and re.fullmatch("[A-Za-z0-9+/]+=*", value) and len(value) % 4 == 0:
        raw = bytearray(base64.b64decode(value))
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        return base64.b64encode(raw).decode()
    if kind == 4:
        return value[:at] + value[at].swapcase() + value[at + 1 :]
    return value[:at] + chr(ord(value[at]) ^ (1 << rng.randrange(5))) + value[at + 1 :]


def test_both_accept_what_was_exported(alone, everything):
    data, ca = everything
    found = ours(data)
    assert found["entries"] == [1, 4, 7, 10]
    assert len(found["witnesses"]) == 1
    assert [stamp["size"] for stamp in found["timestamps"]] == [5, 11]
    assert all(stamp["at_s"] for stamp in found["timestamps"])
    assert [(one["size"], one["day"], one["announced"]) for one in found["anchors"]] == [(11, "2026-01-01", 0)]
    assert theirs(alone, data) == found
    assert theirs(alone, data, found["signer"], ca.read_bytes()) == found
    assert ours(data, fingerprint=found["signer"], authority_pem=ca.read_text()) == found


def test_both_refuse_the_wrong_signer_and_another_authority(alone, everything, tmp_path):
    data, _ = everything
    assert theirs(alone, data, "0" * 64) == ours(data, fingerprint="0" * 64) == ("key", "the signer")
    other = write_other_authority(tmp_path)
    assert theirs(alone, data, "", other.encode()) == ours(data, authority_pem=other) == ("timestamp", "mark 0")


def write_other_authority(folder):
    spec = importlib.util.spec_from_file_location("ledger_conftest", Path(__file__).with_name("conftest.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_authority(folder / "other")


def in_token(data, at):
    """RFC 3161 leaves ten bytes of a token unsigned: two version numbers and the name of an algorithm."""
    tokens = [mark["timestamp"]["token"].encode() for mark in json.loads(data)["marks"] if mark["timestamp"]]
    return any(data.index(token) <= at < data.index(token) + len(token) for token in tokens)


def test_no_byte_of_the_file_is_beside_the_point(alone, everything):
    """Every region of the file: no flip is accepted, and both name the same link."""
    data, _ = everything
    rng = random.Random(1)
    step = max(len(data) // FLIPS, 1)
    found = set()
    for start in range(0, len(data), step):
        at = min(start + rng.randrange(step), len(data) - 1)
        spoiled = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        verdict = ours(spoiled)
        assert isinstance(verdict, tuple) or in_token(data, at), f"byte {at} does not matter"
        assert theirs(alone, spoiled) == verdict, at
        found.add(verdict[0] if isinstance(verdict, tuple) else "verified")
    assert found >= {"document", "key", "checkpoint", "timestamp", "anchor", "leaf", "timeline"}


def test_what_is_redone_in_canonical_form_has_one_verdict(alone, everything):
    """Values changed where they stand, by one who then writes the file as it has to be written."""
    data, _ = everything
    rng = random.Random(2)
    places = [path for path, _ in strings(json.loads(data))]
    found = set()
    # Keys and signatures are others in every run: it goes on until each link was broken once.
    for number in range(10 * EDITS):
        if number >= EDITS and found >= LINKS:
            break
        document = json.loads(data)
        path = places[number % len(places)] if number < 2 * len(places) else rng.choice(places)
        before = dict(strings(document))[path]
        put(document, path, spoilt(rng, before))
        try:
            spoiled = canonical(document)
        except UnicodeEncodeError:
            continue
        verdict = ours(spoiled)
        assert theirs(alone, spoiled) == verdict, (path, before)
        if spoiled != data:
            assert isinstance(verdict, tuple) or path[-1] == "token", path
        found.add(verdict[0] if isinstance(verdict, tuple) else "verified")
    assert found >= LINKS


def test_both_read_files_of_version_1_and_say_that_nothing_ties_the_anchors_key(alone, everything):
    data, _ = everything
    document = json.loads(data)
    document["version"] = 1
    assert theirs(alone, canonical(document)) == ours(canonical(document)) == ("document", "the bundle")
    for mark in document["marks"]:
        if mark["anchor"]:
            del mark["anchor"]["announcement"]
    found = ours(canonical(document))
    assert theirs(alone, canonical(document)) == found
    assert [one["announced"] for one in found["anchors"]] == [None]
    document["version"] = 2
    assert theirs(alone, canonical(document)) == ours(canonical(document)) == ("document", "the bundle")


def test_parts_moved_or_dropped_have_one_verdict(alone, everything):
    data, _ = everything
    rng = random.Random(3)
    for _ in range(300):
        document = json.loads(data)
        part = rng.choice(["entries", "marks", "witnesses"])
        kind = rng.randrange(4)
        items = document[part]
        if kind == 0:
            items.pop(rng.randrange(len(items)))
        elif kind == 1:
            rng.shuffle(items)
        elif kind == 2:
            items.append(rng.choice(items))
        else:
            one, other = rng.choice(items), rng.choice(items)
            name = rng.choice(sorted(one))
            one[name], other[name] = other[name], one[name]
        spoiled = canonical(document)
        assert theirs(alone, spoiled) == ours(spoiled), (part, kind)


def test_the_script_runs_where_phalanx_is_not(everything, tmp_path):
    data, ca = everything
    file = tmp_path / "evidence.json"
    file.write_bytes(data)
    (tmp_path / "verify_evidence.py").write_bytes(SCRIPT.read_bytes())
    (tmp_path / "phalanx.py").write_text("raise ImportError('there is no phalanx here')\n")

    def run(*arguments):
        command = [sys.executable, "verify_evidence.py", *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    done = run("evidence.json", "--tsa-ca", str(ca), "--timeline")
    assert done.returncode == 0, done.stderr
    assert "# Timeline" in done.stdout
    assert "verified: 4 entries of case host-0" in done.stdout
    shown = json.loads(run("evidence.json", "--json").stdout)
    assert shown == ours(data)
    file.write_bytes(data.replace(b"approved", b"refused!", 1))
    done = run("evidence.json")
    assert done.returncode == 6
    assert "breaks at the leaf of entry 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "phalanx" not in re.findall(r"^\s*(?:import|from) (\w+)", SCRIPT.read_text(), re.MULTILINE)
