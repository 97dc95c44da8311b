"""Whatever is in a file, taking stock of it raises nothing."""

from hypothesis import given
from hypothesis import strategies as st

from phalanx.posture import assets_in, cbom, judge

LABELS = st.sampled_from(["CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PUBLIC KEY", "X"])
BASE64 = st.text("ABCDabcd0123+/=\n", max_size=200)
PEM = st.builds(lambda a, body: f"-----BEGIN {a}-----\n{body}\n-----END {a}-----\n".encode(), LABELS, BASE64)
LINE = st.builds(lambda body: b"ssh-rsa AAAA" + body.encode() + b" x\n", st.text("ABCab0+/=", max_size=100))
DER = st.binary(max_size=200).map(lambda body: b"\x30\x82" + body)


@given(pieces=st.lists(st.one_of(PEM, LINE, DER, st.binary(max_size=100)), max_size=6))
def test_any_bytes(pieces):
    found = assets_in(b"".join(pieces), "x")
    cbom(found, at_ns=0, version="0")
    assert all(judge(one).until >= 0 for one in found)
