"""`phalanx keys identity verify` works on files alone, and its exit code says what came of it."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli import _client
from phalanx.cli._client import Refused
from phalanx.cli._exits import Exit, exit_for
from phalanx.cli.keys._identity import identity
from phalanx.core import PhalanxError, Unavailable
from phalanx.crypto import ED25519, ML_DSA_44, SigningKey
from phalanx.crypto.identity import (
    Chain,
    Identity,
    KeyRequest,
    Request,
    Revocation,
    Subject,
    Use,
    Why,
    sign_certificate,
    sign_list,
)

FROM_NS, UNTIL_NS = 1_800_000_000 * 10**9, 1_900_000_000 * 10**9
ROOT, KIM = Subject.parse("organisation:acme"), Subject.parse("person:acme/kim")


@pytest.fixture
def files(tmp_path):
    """A chain and a list of revocations in files, and the root's fingerprint."""
    root, kim = SigningKey.generate(ED25519), SigningKey.generate(ED25519)
    said = {"epoch": 1, "not_before_ns": FROM_NS, "not_after_ns": UNTIL_NS}
    top = sign_certificate(Request(ROOT, root.public, "0" * 32, uses=(Use.ISSUE,), **said), root)
    leaf = sign_certificate(Request(KIM, kim.public, "1" * 32, uses=(Use.SIGN,), **said), root)
    entry = Revocation(
        serial="1" * 32, subject=str(KIM), why=Why.CEASED, since_ns=FROM_NS + 10**18, not_after_ns=UNTIL_NS
    )
    listed = sign_list(ROOT, root, number=1, at_ns=FROM_NS, entries=(entry,))
    (tmp_path / "kim.chain").write_text(Chain((leaf, top)).to_text())
    import base64

    (tmp_path / "acme.list").write_text(json.dumps({"revocations": base64.b64encode(listed.to_bytes()).decode()}))
    return tmp_path, root.public.fingerprint


def verify(*arguments):
    return CliRunner().invoke(identity, ["verify", *map(str, arguments)])


@pytest.mark.requirement("CRY-2")
def test_a_chain_is_verified_without_a_node(files):
    folder, root = files
    at = ("--at", "2027-06-01T00:00:00Z")
    said = verify(folder / "kim.chain", "--root", root, *at, "--json")
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert (told["subject"], len(told["links"])) == (str(KIM), 2)
    assert "holds" in verify(folder / "kim.chain", "--root", root, *at).stdout
    with_list = ("--revocations", folder / "acme.list")
    assert verify(folder / "kim.chain", "--root", root, *at, *with_list).exit_code == 0
    later = verify(folder / "kim.chain", "--root", root, "--at", "2059-01-01T00:00:00Z", *with_list)
    assert later.exception.code == "outside-validity"


@pytest.mark.parametrize(
    ("change", "arguments", "code"),
    [
        (None, ("--root", "00" * 32), "untrusted-root"),
        (None, ("--use", "channel"), "use-not-allowed"),
        (None, ("--at", "2020-01-01T00:00:00Z"), "outside-validity"),
        (None, ("--at", "yesterday"), "invalid-input"),
        (lambda text: text.replace("BEGIN", "START"), (), "invalid-certificate"),
    ],
)
def test_what_does_not_hold_says_why_and_ends_as_not_verified(files, change, arguments, code):
    folder, root = files
    file = folder / "kim.chain"
    if change:
        file.write_text(change(file.read_text()))
    said = verify(file, "--root", root, "--at", "2027-06-01T00:00:00Z", *arguments)
    assert isinstance(said.exception, PhalanxError)
    assert said.exception.code == code
    assert exit_for(said.exception) is (Exit.USAGE if code == "invalid-input" else Exit.NOT_VERIFIED)


class Issuing:
    """A node as the commands see it, whose organisation is Acme. ``lost`` answers are given to nobody."""

    def __init__(self):
        self.root = SigningKey.generate(ED25519)
        self.issued = {}
        self.lost = 0

    def get(self, path, *, name):
        if name not in self.issued:
            raise Refused("there is none", hint="", code="not-found")
        return self.issued[name]

    def post(self, path, *, content=b"", headers=None):
        asked = KeyRequest.from_bytes(content)
        asked.require_proof(KIM)
        said = {"epoch": 1, "not_before_ns": FROM_NS, "not_after_ns": UNTIL_NS}
        top = sign_certificate(Request(ROOT, self.root.public, "0" * 32, uses=(Use.ISSUE,), **said), self.root)
        leaf = sign_certificate(Request(KIM, asked.key, "1" * 32, uses=(Use.SIGN,), **said), self.root)
        answer = {"identity": {"subject": str(KIM)}, "chain": Chain((leaf, top)).to_text()}
        self.issued[asked.key.fingerprint] = answer
        if self.lost:
            self.lost -= 1
            raise Unavailable("the node", "the connection was cut")
        return answer


@pytest.fixture
def node(monkeypatch):
    found = Issuing()
    monkeypatch.setattr(_client, "NodeClient", lambda *_: found)
    return found


def call(*arguments):
    return CliRunner().invoke(identity, [*map(str, arguments)])


def test_a_key_is_on_disk_before_the_node_hears_of_it_and_the_same_command_goes_on(node, tmp_path):
    out = tmp_path / "kim.identity"
    issuing = ("issue", KIM, "--out", out, "--algorithm", ED25519, "--json")
    node.lost = 1
    cut = call(*issuing)
    assert cut.exception.code == "unavailable"
    assert "goes on with it" in cut.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    key = SigningKey.from_bytes(out.read_bytes())
    assert call("issue", KIM, "--out", out, "--algorithm", ML_DSA_44).exception.code == "invalid-input"
    done = call(*issuing)
    assert done.exit_code == 0, done.output
    assert list(node.issued) == [key.public.fingerprint], "the certificate that was lost on the way is fetched"
    assert Identity.from_bytes(out.read_bytes()).fingerprint == key.public.fingerprint
    assert "is there already" in str(call(*issuing).exception)


def test_a_request_is_made_without_a_node_and_its_chain_completes_the_key(node, tmp_path):
    key, asked, chain = tmp_path / "kim.key", tmp_path / "kim.request", tmp_path / "kim.chain"
    made = call("request", KIM, "--key", key, "--out", asked, "--algorithm", ED25519, "--json")
    assert made.exit_code == 0, made.output
    assert key.stat().st_mode & 0o777 == 0o600
    answer = json.loads(call("issue", KIM, "--request", asked, "--json").stdout)
    chain.write_text(answer["chain"])
    other = tmp_path / "other.key"
    other.touch(0o600)
    other.write_bytes(SigningKey.generate(ED25519).to_bytes())
    assert call("complete", other, chain).exception.code == "invalid-certificate"
    assert call("complete", key, chain).exit_code == 0
    assert str(Identity.from_bytes(key.read_bytes()).subject) == str(KIM)


def test_a_list_counts_only_by_the_key_of_the_issuer_it_names(tmp_path):
    # The person's own key is in the chain, but does not speak for the organisation.
    import base64

    root, kim = SigningKey.generate(ED25519), SigningKey.generate(ED25519)
    said = {"epoch": 1, "not_before_ns": FROM_NS, "not_after_ns": UNTIL_NS}
    top = sign_certificate(Request(ROOT, root.public, "0" * 32, uses=(Use.ISSUE,), **said), root)
    leaf = sign_certificate(Request(KIM, kim.public, "1" * 32, uses=(Use.SIGN,), **said), root)
    (tmp_path / "kim.chain").write_text(Chain((leaf, top)).to_text())
    forged = sign_list(ROOT, kim, number=9, at_ns=FROM_NS, entries=())
    (tmp_path / "list").write_text(json.dumps({"revocations": base64.b64encode(forged.to_bytes()).decode()}))
    refused = verify(
        tmp_path / "kim.chain", "--root", root.public.fingerprint, "--at", "2027-06-01T00:00:00Z",
        "--revocations", tmp_path / "list",
    )  # fmt: skip
    assert refused.exception.code == "invalid-input"
