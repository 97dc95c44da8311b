"""What endpoints offer becomes assets; who does not answer is told of and stops nobody else."""

import pytest

from phalanx.core import InvalidInput
from phalanx.posture import SshOffer, TlsOffer, Use, cbom, judge, look_at, parse_endpoint, ssh_assets
from phalanx.testing import SimEndpoints, SimWorld

OPENSSH_10 = SshOffer(
    "SSH-2.0-OpenSSH_10.0",
    ("mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256", "ecdh-sha2-nistp256",
     "ext-info-s", "kex-strict-s-v00@openssh.com"),
    ("rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256", "ssh-ed25519"),
)  # fmt: skip
OLD = SshOffer("SSH-2.0-old", ("diffie-hellman-group1-sha1", "diffie-hellman-group14-sha256"), ("ssh-dss", "ssh-rsa"))


def shown(offer):
    return [(one.form, one.algorithm, one.size, one.use) for one in ssh_assets(offer, "ssh://h:22")]


@pytest.mark.requirement("CRY-5")
def test_an_ssh_server_is_listed_with_its_best_and_its_worst_exchange_and_its_keys():
    assert shown(OPENSSH_10) == [
        ("protocol", "mlkem768x25519-sha256", "", Use.KEY_ESTABLISHMENT),
        ("protocol", "X25519", "", Use.KEY_ESTABLISHMENT),
        ("public-key", "RSA", "", Use.SIGNATURE),
        ("public-key", "ECDSA", "secp256r1", Use.SIGNATURE),
        ("public-key", "Ed25519", "", Use.SIGNATURE),
    ]
    assert [judge(one).vulnerable for one in ssh_assets(OPENSSH_10, "w")] == [False, True, True, True, True]
    assert judge(ssh_assets(OPENSSH_10, "w")[0]).level == 3
    assert shown(OLD) == [
        ("protocol", "DH", "2048", Use.KEY_ESTABLISHMENT),
        ("protocol", "DH", "1024", Use.KEY_ESTABLISHMENT),
        ("public-key", "DSA", "1024", Use.SIGNATURE),
        ("public-key", "RSA", "", Use.SIGNATURE),
    ]
    assert shown(SshOffer("SSH-2.0-none", (), ())) == []


def test_endpoints_are_asked_one_after_the_other_and_the_silent_told():
    world, probe = SimWorld(1), SimEndpoints()
    probe.offers = {"a:22": OPENSSH_10, "b:443": TlsOffer("X25519MLKEM768", "TLS_AES_256_GCM_SHA384", b"")}

    async def main(_):
        found, silent = await look_at(["a:22", "gone:443", "tls://b:443", "ssh://b:443"], probe)
        assert [one.where for one in found] == ["ssh://a:22"] * 5 + ["tls://b:443"]
        assert [str(one).partition(":")[0] for one in silent] == ["TLS at gone", "SSH at b"]
        protocols = [
            one["cryptoProperties"]["protocolProperties"]["type"]
            for one in cbom(found, at_ns=0, version="1")["components"]
            if one["cryptoProperties"]["assetType"] == "protocol"
        ]
        assert protocols == ["ssh", "ssh", "tls"]

    world.run(main)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h:22", ("ssh", "h", 22)),
        ("h:443", ("tls", "h", 443)),
        ("ssh://h:2222", ("ssh", "h", 2222)),
        ("tls://[2001:db8::1]:8443", ("tls", "2001:db8::1", 8443)),
    ],
)
def test_an_endpoint_is_read(text, expected):
    assert parse_endpoint(text, "f") == expected


@pytest.mark.parametrize("text", ["", "h", "h:", ":443", "h:0", "h:65536", "http://h:80", "a b:22", "2001:db8::1:443"])
def test_what_is_no_endpoint_is_refused_with_its_field(text):
    with pytest.raises(InvalidInput, match=r"posture\.endpoints"):
        parse_endpoint(text, "posture.endpoints")
