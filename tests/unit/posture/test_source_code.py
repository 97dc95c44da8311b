"""What is found in source code, and that comments and other files are passed over."""

import pytest

from phalanx.core import InvalidInput
from phalanx.posture import Asset, Use, cbom, compare, crypto_in, is_source, judge, take_stock
from phalanx.testing import InlineOffload, SimFileWatch, SimWorld


def found(text, where):
    return [(one.algorithm, one.size, one.use, one.line) for one in crypto_in(text.encode(), where)]


@pytest.mark.requirement("CRY-5")
@pytest.mark.parametrize(
    ("where", "text", "expected"),
    [
        ("a.py", "key = rsa.generate_private_key(public_exponent=65537, key_size=2048)", ("RSA", "2048", Use.BOTH)),
        ("a.py", "key = rsa.generate_private_key(65537, 3072)", ("RSA", "3072", Use.BOTH)),
        ("a.py", "rsa.generate_private_key(", ("RSA", "", Use.BOTH)),
        ("a.py", "ec.generate_private_key(ec.SECP384R1())", ("ECDSA", "secp384r1", Use.SIGNATURE)),
        ("a.py", "digest = hashlib.md5(data)", ("MD5", "", Use.DIGEST)),
        ("a.py", "jwt.encode(claims, key, algorithm='RS256')", ("RSA", "", Use.SIGNATURE)),
        ("a.py", "sealed = AESGCM(key)", ("AES", "", Use.ENCRYPTION)),
        ("A.java", 'Cipher.getInstance("RSA/ECB/OAEPPadding");', ("RSA", "", Use.KEY_ESTABLISHMENT)),
        ("A.java", 'Cipher.getInstance("DESede/CBC/PKCS5Padding");', ("3DES", "", Use.ENCRYPTION)),
        ("A.java", 'Signature.getInstance("SHA256withECDSA");', ("ECDSA", "", Use.SIGNATURE)),
        ("a.go", "key, err := rsa.GenerateKey(rand.Reader, 4096)", ("RSA", "4096", Use.BOTH)),
        ("a.go", "ecdsa.GenerateKey(elliptic.P256(), rand.Reader)", ("ECDSA", "secp256r1", Use.SIGNATURE)),
        ("a.go", "ecdh.X25519()", ("X25519", "", Use.KEY_ESTABLISHMENT)),
        ("a.go", "mlkem.GenerateKey768()", ("ML-KEM", "768", Use.KEY_ESTABLISHMENT)),
        ("a.c", "EVP_PKEY *key = EVP_RSA_gen(2048);", ("RSA", "2048", Use.BOTH)),
        ("a.c", "EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);", ("ECDSA", "secp256r1", Use.SIGNATURE)),
        ("a.c", "EVP_EncryptInit(c, EVP_aes_256_gcm(), k, iv);", ("AES", "256", Use.ENCRYPTION)),
        ("a.cs", "using var rsa = RSA.Create(2048);", ("RSA", "2048", Use.BOTH)),
        ("a.ts", "generateKeyPairSync('rsa', { modulusLength: 2048 })", ("RSA", "2048", Use.BOTH)),
        ("a.js", "crypto.createHash('sha1')", ("SHA-1", "", Use.DIGEST)),
        ("a.rs", "RsaPrivateKey::new(&mut rng, 2048)", ("RSA", "2048", Use.BOTH)),
        ("a.rb", "OpenSSL::PKey::RSA.new(2048)", ("RSA", "2048", Use.BOTH)),
        ("a.php", "$sum = md5($text);", ("MD5", "", Use.DIGEST)),
    ],
)
def test_a_use_is_found_with_its_line(where, text, expected):
    assert found(f"first line\n    {text}\n", where) == [(*expected, 2)]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("a.py", "# hashlib.md5(data)"),
        ("a.go", "// rsa.GenerateKey(rand.Reader, 2048)"),
        ("A.java", ' * Cipher.getInstance("RSA")'),
        ("a.py", "hashlib.sha256(data)"),
        ("a.php", "$store->md5($x)"),
        ("a.py", ""),
    ],
)
def test_comments_and_what_only_looks_like_it_are_passed_over(where, text):
    assert found(text, where) == []


def test_only_names_of_source_files_are_source():
    assert [is_source(name) for name in ("a.py", "dir.py/readme", "A.JAVA", "a.pem", "py")] == [
        True, False, True, False, False,
    ]  # fmt: skip


def test_hostile_lines_are_bounded():
    # Each pattern's worst case: a long line that nearly matches.
    for text in ("rsa.generate_private_key(" * 40_000, "ECDsa.Create(" * 40_000, "a" * 300_000):
        for where in ("a.py", "a.cs", "a.js", "a.c"):
            assert len(found(text, where)) <= 1


@pytest.mark.parametrize(
    ("algorithm", "size", "use", "level", "weak", "until"),
    [
        ("AES", "128", Use.ENCRYPTION, 1, False, 0),
        ("AES", "256", Use.ENCRYPTION, 5, False, 0),
        ("3DES", "", Use.ENCRYPTION, 0, True, 2023),
        ("MD5", "", Use.DIGEST, 0, True, 2011),
        ("SHA-1", "", Use.DIGEST, 0, True, 2030),
    ],
)
def test_ciphers_and_digests_do_not_fall_to_shor_but_some_have_fallen_already(algorithm, size, use, level, weak, until):
    one = judge(Asset("source", algorithm, "a.py", algorithm, size, use))
    assert (one.vulnerable, one.level, bool(one.weak), one.until) == (False, level, weak, until)


@pytest.mark.parametrize(
    ("algorithm", "size", "told"),
    [
        ("RSA", "2048", "6,190 logical qubits"),
        ("RSA", "4096", "12,387 logical qubits"),
        ("ECDSA", "secp256r1", "2,330 logical qubits"),
        ("Ed25519", "", "2,330 logical qubits"),
        ("ECDSA", "secp521r1", "4,719 logical qubits"),
        ("X448", "", "4,060 logical qubits"),
    ],
)
def test_each_size_has_an_estimate_of_its_own(algorithm, size, told):
    assert judge(Asset("public-key", "k", "f", algorithm, size, Use.SIGNATURE)).resources.startswith(told)


def test_of_a_size_that_is_not_told_nothing_is_claimed():
    assert judge(Asset("source", "RSA", "a.py", "RSA", "", Use.BOTH)).resources == ""


def stock_of(**sources):
    world = SimWorld(1)
    files = SimFileWatch(world.clock)
    for name, text in sources.items():
        files.put(f"/src/{name}.py", text.encode())
    made = []

    async def main(_):
        made.append(await take_stock(["/src"], files, InlineOffload()))

    world.run(main)
    return cbom(made[0].assets, at_ns=0, version="1")


def test_a_use_in_two_files_is_one_component_with_two_places():
    document = stock_of(a="hashlib.md5(x)\nhashlib.md5(y)", b="\nhashlib.md5(z)")
    [component] = document["components"]
    assert component["cryptoProperties"]["algorithmProperties"]["primitive"] == "hash"
    assert sorted((one["location"], one["line"]) for one in component["evidence"]["occurrences"]) == [
        ("/src/a.py", 1), ("/src/a.py", 2), ("/src/b.py", 2),
    ]  # fmt: skip


def test_a_difference_tells_what_came_what_went_and_what_must_not_come():
    before = stock_of(a="hashlib.md5(x)")
    same = stock_of(a="\n\n\nhashlib.md5(x)")
    assert (compare(before, same).added, compare(before, same).gone) == ((), ())
    after = stock_of(a="AESGCM(key)", b="ec.generate_private_key(ec.SECP256R1())")
    difference = compare(before, after)
    assert [one.name for one in difference.added] == ["ECDSA secp256r1", "AES"]
    assert [one.name for one in difference.gone] == ["MD5"]
    assert [(one.name, one.places) for one in difference.worse] == [("ECDSA secp256r1", ("/src/b.py:1",))]
    again = compare(before, stock_of(a="hashlib.md5(x)", b="hashlib.md5(y)"))
    assert [(one.name, one.places) for one in again.worse] == [("MD5", ("/src/b.py:1",))]
    twice = compare(before, stock_of(a="hashlib.md5(x)\nhashlib.md5(y)"))
    assert [one.name for one in twice.worse] == ["MD5"]
    with pytest.raises(InvalidInput, match="before"):
        compare({}, after)
