"""What is found in files, what a quantum computer does to it, and the document it becomes."""

import datetime as dt
import json
import os
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa, x25519
from cryptography.x509.oid import NameOID

from phalanx.core import NotFound
from phalanx.posture import Asset, Use, assets_in, cbom, judge, most_urgent_first, take_stock
from phalanx.testing import InlineOffload, SimFileWatch, SimWorld

RSA = rsa.generate_private_key(65_537, 2048)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
NO_PASSWORD = serialization.NoEncryption()


def pem(key, form=serialization.PrivateFormat.PKCS8, seal=NO_PASSWORD):
    return key.private_bytes(PEM, form, seal)


def certificate(key, encoding=PEM, *, agrees=False):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old.example")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2036, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.KeyUsage(True, False, agrees, False, False, False, False, False, False), critical=True)
    )  # fmt: skip
    return made.sign(key, hashes.SHA256()).public_bytes(encoding)


def ssh_line(key):
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (certificate(RSA), [("certificate", "RSA", "2048", Use.SIGNATURE)]),
        (certificate(RSA, DER, agrees=True), [("certificate", "RSA", "2048", Use.BOTH)]),
        (pem(RSA), [("private-key", "RSA", "2048", Use.BOTH)]),
        (pem(RSA, seal=serialization.BestAvailableEncryption(b"x")), [("private-key", "unknown", "", Use.BOTH)]),
        (pem(ec.generate_private_key(ec.SECP256R1())), [("private-key", "ECDSA", "secp256r1", Use.SIGNATURE)]),
        (pem(x25519.X25519PrivateKey.generate()), [("private-key", "X25519", "", Use.KEY_ESTABLISHMENT)]),
        (pem(mldsa.MLDSA65PrivateKey.generate()), [("private-key", "ML-DSA", "65", Use.SIGNATURE)]),
        (
            pem(ed25519.Ed25519PrivateKey.generate(), serialization.PrivateFormat.OpenSSH),
            [("private-key", "Ed25519", "", Use.SIGNATURE)],
        ),
        (b"# keys\n" + ssh_line(RSA) + b" somebody@host\n", [("public-key", "RSA", "2048", Use.BOTH)]),
        (certificate(RSA) + b"text between\n" + pem(RSA), [
            ("certificate", "RSA", "2048", Use.SIGNATURE), ("private-key", "RSA", "2048", Use.BOTH),
        ]),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", []),
        (b"nothing of the kind", []),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_in_a_file(data, expected):
    assert [(one.form, one.algorithm, one.size, one.use) for one in assets_in(data, "f")] == expected


def asset(algorithm, size="", use=Use.SIGNATURE, form="public-key"):
    return Asset(form, algorithm, f"{algorithm}{size}", algorithm, size, use)


@pytest.mark.parametrize(
    ("one", "vulnerable", "bits", "level", "deprecated", "until", "harvest"),
    [
        (asset("RSA", "2048", Use.BOTH), True, 112, 0, 2030, 2035, True),
        (asset("RSA", "3072"), True, 128, 0, 0, 2035, False),
        (asset("ECDSA", "secp224r1"), True, 112, 0, 2030, 2035, False),
        (asset("X25519", "", Use.KEY_ESTABLISHMENT), True, 128, 0, 0, 2035, True),
        (asset("ML-DSA", "65"), False, 0, 3, 0, 0, False),
        (asset("Ed25519+ML-DSA-65"), False, 0, 3, 0, 0, False),
        (asset("X25519MLKEM768", "TLS13", Use.KEY_ESTABLISHMENT, "protocol"), False, 0, 3, 0, 0, False),
        (asset("unknown", "", Use.BOTH), True, 0, 0, 2030, 2035, True),
    ],
    ids=lambda value: value.name if isinstance(value, Asset) else None,
)  # fmt: skip
def test_what_a_quantum_computer_means_for_it(one, vulnerable, bits, level, deprecated, until, harvest):
    found = judge(one)
    assert (found.vulnerable, found.strength_bits, found.level) == (vulnerable, bits, level)
    assert (found.deprecated, found.until, found.harvest_now) == (deprecated, until, harvest)
    assert bool(found.replacement) == vulnerable


def test_what_can_be_recorded_now_comes_first_and_what_stands_last():
    ordered = [
        asset("RSA", "2048", Use.BOTH), asset("X25519", "", Use.KEY_ESTABLISHMENT), asset("RSA", "2048"),
        asset("Ed25519"), asset("ML-DSA", "65"),
    ]  # fmt: skip
    assert most_urgent_first(ordered[::-1]) == ordered


def test_a_cbom_has_each_asset_once_with_every_place_and_refers_to_what_is_in_it():
    first, again = (assets_in(certificate(RSA), where) for where in ("a.pem", "b.pem"))
    document = cbom([*first, *again, *assets_in(pem(RSA), "c.key")], at_ns=0, version="1")
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    refs = {one["bom-ref"]: one for one in document["components"]}
    assert len(refs) == len(document["components"]) == 4
    [listed] = [one for one in refs.values() if one["cryptoProperties"]["assetType"] == "certificate"]
    assert [one["location"] for one in listed["evidence"]["occurrences"]] == ["a.pem", "b.pem"]
    key = refs[listed["cryptoProperties"]["certificateProperties"]["subjectPublicKeyRef"]]
    assert key["cryptoProperties"]["algorithmProperties"]["nistQuantumSecurityLevel"] == 0
    said = {one["name"]: one["value"] for one in listed["properties"]}
    assert (said["phalanx:quantum-vulnerable"], said["phalanx:disallowed-after"]) == ("true", "2035")
    assert cbom(first, at_ns=0, version="1") == cbom(first, at_ns=0, version="1")


def test_stock_is_taken_of_files_and_folders_and_a_path_that_is_not_there_is_said():
    world = SimWorld(1)
    files = SimFileWatch(world.clock)
    files.put("/keys/a.pem", certificate(RSA))
    files.put("/keys/deep/b.key", pem(ed25519.Ed25519PrivateKey.generate()))
    files.put("/keys/readme", b"text")

    async def main(_):
        stock = await take_stock(["/keys"], files, InlineOffload())
        assert (stock.files, len(stock.assets), stock.vulnerable, stock.more) == (3, 2, 2, False)
        with pytest.raises(NotFound):
            await take_stock(["/none"], files, InlineOffload())

    world.run(main)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "phalanx", "posture", "inventory", *map(str, arguments)],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip


def test_the_command_lists_writes_and_gates(tmp_path):
    file, out = tmp_path / "a.pem", tmp_path / "out.json"
    file.write_bytes(certificate(RSA))
    shown = run(file, "--cbom", out, "--gate", "2029")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "1 assets in 1 files, 1 fall to a quantum computer" in shown.stdout
    assert json.loads(out.read_text())["specVersion"] == "1.6"
    gated = run(file, "--json", "--gate", "2030")
    assert gated.returncode == 1
    assert "must be replaced by 2030" in gated.stderr
    assert json.loads(gated.stdout)["bomFormat"] == "CycloneDX"
    assert [run().returncode, run("--endpoint", "nowhere").returncode, run(tmp_path / "none").returncode] == [2, 2, 5]
