"""From source code to the cryptography that it names: what a program makes, not what a library could do. Pure.

A table of calls of the usual libraries, by language. It is read line by line, so what is put together at run time
or spread over lines is not seen, and a line that is a comment is passed over. It finds where to look; that a call
is never reached is for people to say.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePath

from phalanx.posture._limits import MAX_LINE_CHARS
from phalanx.posture._model import Asset, Use

_SIGNS, _AGREES, _BOTH, _HIDES, _DIGESTS = Use.SIGNATURE, Use.KEY_ESTABLISHMENT, Use.BOTH, Use.ENCRYPTION, Use.DIGEST

_LANGUAGES = {
    ".py": "python", ".java": "java", ".kt": "java", ".scala": "java", ".go": "go", ".c": "c", ".h": "c", ".cc": "c",
    ".cpp": "c", ".hpp": "c", ".cs": "dotnet", ".js": "script", ".mjs": "script", ".ts": "script", ".tsx": "script",
    ".jsx": "script", ".rs": "rust", ".rb": "ruby", ".php": "php",
}  # fmt: skip
_COMMENTS = {"python": ("#",), "ruby": ("#",), "php": ("#", "//", "*", "/*")}
_SLASHES = ("//", "*", "/*")

# A named group `size` is the asset's size as it stands there; otherwise the third place is.
_Row = tuple[str, str, str, Use]
_TABLE: dict[str, tuple[_Row, ...]] = {
    "python": (
        (r"\brsa\.generate_private_key\((?:.*?key_size\s*=\s*|\s*\d+\s*,\s*)(?P<size>\d+)", "RSA", "", _BOTH),
        (r"\brsa\.generate_private_key\(\s*$|\bRSA\.(?:generate|import_key)\((?P<size>\d*)", "RSA", "", _BOTH),
        (r"\bdsa\.generate_private_key\(\D*(?P<size>\d+)", "DSA", "", _SIGNS),
        (r"\bdh\.generate_parameters\(.*?key_size\s*=\s*(?P<size>\d+)", "DH", "", _AGREES),
        (r"\bec\.generate_private_key\(\s*(?:ec\.)?(?P<size>\w+)|\bec\.ECDSA\(", "ECDSA", "", _SIGNS),
        (r"\bec\.ECDH\(", "ECDH", "", _AGREES),
        (r"\b(?:Ed25519PrivateKey|SigningKey)\.generate\(", "Ed25519", "", _SIGNS),
        (r"\bX25519PrivateKey\.generate\(", "X25519", "", _AGREES),
        (r"\bMLDSA(?P<size>44|65|87)PrivateKey\b", "ML-DSA", "", _SIGNS),
        (r"\bMLKEM(?P<size>512|768|1024)PrivateKey\b", "ML-KEM", "", _AGREES),
        (r"\bhashlib\.md5\(|\bhashes\.MD5\(", "MD5", "", _DIGESTS),
        (r"\bhashlib\.sha1\(|\bhashes\.SHA1\(", "SHA-1", "", _DIGESTS),
        (r"\balgorithms\.TripleDES\(|\bDES3\.new\(", "3DES", "", _HIDES),
        (r"\bAES(?P<size>128|256)\(|\balgorithms\.AES\(|\bAESGCM\(|\bAES\.new\(", "AES", "", _HIDES),
        (r"\balgorithms\.ARC4\(|\bARC4\.new\(", "RC4", "", _HIDES),
        (r"\bChaCha20Poly1305\(", "ChaCha20", "256", _HIDES),
    ),
    "java": (
        (r'KeyPairGenerator\.getInstance\(\s*"RSA"', "RSA", "", _BOTH),
        (r'KeyPairGenerator\.getInstance\(\s*"DSA"|Signature\.getInstance\(\s*"\w+withDSA"', "DSA", "", _SIGNS),
        (r'KeyPairGenerator\.getInstance\(\s*"EC"|Signature\.getInstance\(\s*"\w+withECDSA"', "ECDSA", "", _SIGNS),
        (r'KeyPairGenerator\.getInstance\(\s*"(?:DH|DiffieHellman)"', "DH", "", _AGREES),
        (r'KeyPairGenerator\.getInstance\(\s*"Ed25519"', "Ed25519", "", _SIGNS),
        (r'Signature\.getInstance\(\s*"\w+withRSA', "RSA", "", _SIGNS),
        (r'Cipher\.getInstance\(\s*"RSA', "RSA", "", _AGREES),
        (r'KeyAgreement\.getInstance\(\s*"ECDH"|new ECGenParameterSpec\(\s*"(?P<size>\w+)"', "ECDH", "", _AGREES),
        (r'KeyAgreement\.getInstance\(\s*"X25519"', "X25519", "", _AGREES),
        (r'getInstance\(\s*"ML-DSA(?:-(?P<size>\d+))?"', "ML-DSA", "", _SIGNS),
        (r'getInstance\(\s*"ML-KEM(?:-(?P<size>\d+))?"', "ML-KEM", "", _AGREES),
        (r'MessageDigest\.getInstance\(\s*"MD5"', "MD5", "", _DIGESTS),
        (r'MessageDigest\.getInstance\(\s*"SHA-?1"', "SHA-1", "", _DIGESTS),
        (r'Cipher\.getInstance\(\s*"(?:DESede|TripleDES)', "3DES", "", _HIDES),
        (r'Cipher\.getInstance\(\s*"DES["/]', "DES", "", _HIDES),
        (r'Cipher\.getInstance\(\s*"AES(?:_(?P<size>\d+))?', "AES", "", _HIDES),
    ),
    "go": (
        (r"\brsa\.GenerateKey\([^,]+,\s*(?P<size>\d*)", "RSA", "", _BOTH),
        (r"\becdsa\.GenerateKey\(\s*elliptic\.(?P<size>P\d+)", "ECDSA", "", _SIGNS),
        (r"\bed25519\.GenerateKey\(", "Ed25519", "", _SIGNS),
        (r"\becdh\.(?P<size>P\d+)\(\)", "ECDH", "", _AGREES),
        (r"\becdh\.X25519\(\)|\bcurve25519\.X25519\(", "X25519", "", _AGREES),
        (r"\bmlkem\.GenerateKey(?P<size>768|1024)\(", "ML-KEM", "", _AGREES),
        (r"\bmd5\.(?:New|Sum)\(", "MD5", "", _DIGESTS),
        (r"\bsha1\.(?:New|Sum)\(", "SHA-1", "", _DIGESTS),
        (r"\bdes\.NewTripleDESCipher\(", "3DES", "", _HIDES),
        (r"\brc4\.NewCipher\(", "RC4", "", _HIDES),
        (r"\baes\.NewCipher\(", "AES", "", _HIDES),
    ),
    "c": (
        (r"\bEVP_RSA_gen\(\s*(?P<size>\d*)|\bRSA_generate_key_ex\([^,]+,\s*(?P<bits>\d*)", "RSA", "", _BOTH),
        (r"\bEVP_PKEY_CTX_new_id\(\s*EVP_PKEY_RSA|\bEVP_PKEY_CTX_set_rsa_keygen_bits\(", "RSA", "", _BOTH),
        (r'\bEVP_EC_gen\(\s*"(?P<size>[^"]+)"|\bEC_KEY_new_by_curve_name\(\s*NID_(?:X9_62_)?(?P<bits>\w+)', "ECDSA", "",
         _SIGNS),
        (r"\bECDH_compute_key\(", "ECDH", "", _AGREES),
        (r"\bEVP_PKEY_ED25519\b|\bcrypto_sign_keypair\(", "Ed25519", "", _SIGNS),
        (r"\bEVP_PKEY_X25519\b|\bcrypto_box_keypair\(", "X25519", "", _AGREES),
        (r"\bDH_generate_(?:parameters_ex|key)\(", "DH", "", _AGREES),
        (r'"ML-DSA-(?P<size>44|65|87)"', "ML-DSA", "", _SIGNS),
        (r'"ML-KEM-(?P<size>512|768|1024)"', "ML-KEM", "", _AGREES),
        (r"\bEVP_md5\(\)|\bMD5_Init\(", "MD5", "", _DIGESTS),
        (r"\bEVP_sha1\(\)|\bSHA1_Init\(", "SHA-1", "", _DIGESTS),
        (r"\bEVP_des_ede3?_\w+\(", "3DES", "", _HIDES),
        (r"\bEVP_rc4\(", "RC4", "", _HIDES),
        (r"\bEVP_aes_(?P<size>128|192|256)_\w+\(", "AES", "", _HIDES),
    ),
    "dotnet": (
        (r"\bRSA\.Create\((?P<size>\d*)|\bnew RSACryptoServiceProvider\((?P<bits>\d*)", "RSA", "", _BOTH),
        (r"\bECDsa\.Create\((?:.*NamedCurves\.(?P<size>\w+))?", "ECDSA", "", _SIGNS),
        (r"\bECDiffieHellman\.Create\((?:.*NamedCurves\.(?P<size>\w+))?", "ECDH", "", _AGREES),
        (r"\bMLDsa\.GenerateKey\(", "ML-DSA", "", _SIGNS),
        (r"\bMLKem\.GenerateKey\(", "ML-KEM", "", _AGREES),
        (r"\bMD5\.(?:Create|HashData)\(", "MD5", "", _DIGESTS),
        (r"\bSHA1\.(?:Create|HashData)\(", "SHA-1", "", _DIGESTS),
        (r"\bTripleDES\.Create\(", "3DES", "", _HIDES),
        (r"\bAes\.Create\(|\bnew AesGcm\(", "AES", "", _HIDES),
    ),
    "script": (
        (r"generateKeyPair(?:Sync)?\(\s*['\"]rsa(?:-pss)?['\"](?:.*modulusLength:\s*(?P<size>\d+))?", "RSA", "", _BOTH),
        (r"generateKeyPair(?:Sync)?\(\s*['\"]ec['\"](?:.*namedCurve:\s*['\"](?P<size>[\w-]+))?", "ECDSA", "", _SIGNS),
        (r"generateKeyPair(?:Sync)?\(\s*['\"]ed25519['\"]", "Ed25519", "", _SIGNS),
        (r"generateKeyPair(?:Sync)?\(\s*['\"]x25519['\"]", "X25519", "", _AGREES),
        (r"generateKeyPair(?:Sync)?\(\s*['\"]ml-dsa-(?P<size>\d+)['\"]", "ML-DSA", "", _SIGNS),
        (r"generateKeyPair(?:Sync)?\(\s*['\"]ml-kem-(?P<size>\d+)['\"]", "ML-KEM", "", _AGREES),
        (r"name:\s*['\"](?:RSA-OAEP|RSA-PSS|RSASSA-PKCS1-v1_5)['\"]", "RSA", "", _BOTH),
        (r"name:\s*['\"]ECDSA['\"](?:.*namedCurve:\s*['\"](?P<size>[\w-]+))?", "ECDSA", "", _SIGNS),
        (r"name:\s*['\"]ECDH['\"](?:.*namedCurve:\s*['\"](?P<size>[\w-]+))?|createECDH\(\s*['\"](?P<bits>\w+)", "ECDH",
         "", _AGREES),
        (r"createDiffieHellman\(\s*(?P<size>\d*)", "DH", "", _AGREES),
        (r"createHash\(\s*['\"]md5['\"]", "MD5", "", _DIGESTS),
        (r"createHash\(\s*['\"]sha1['\"]", "SHA-1", "", _DIGESTS),
        (r"createCipheriv\(\s*['\"]aes-(?P<size>128|192|256)-", "AES", "", _HIDES),
        (r"createCipheriv\(\s*['\"]des-ede3", "3DES", "", _HIDES),
    ),
    "rust": (
        (r"\bRsaPrivateKey::new\([^,]+,\s*(?P<size>\d*)", "RSA", "", _BOTH),
        (r"\b(?P<size>p256|p384|k256)::ecdsa\b", "ECDSA", "", _SIGNS),
        (r"\b(?P<size>p256|p384|k256)::ecdh\b", "ECDH", "", _AGREES),
        (r"\bed25519_dalek\b", "Ed25519", "", _SIGNS),
        (r"\bx25519_dalek\b", "X25519", "", _AGREES),
        (r"\bml_kem::", "ML-KEM", "", _AGREES),
        (r"\bml_dsa::", "ML-DSA", "", _SIGNS),
        (r"\bMd5::(?:new|digest)\(", "MD5", "", _DIGESTS),
        (r"\bSha1::(?:new|digest)\(", "SHA-1", "", _DIGESTS),
        (r"\bAes(?P<size>128|256)(?:Gcm)?::new", "AES", "", _HIDES),
    ),
    "ruby": (
        (r"\bOpenSSL::PKey::RSA\.(?:new|generate)\(?\s*(?P<size>\d*)", "RSA", "", _BOTH),
        (r"\bOpenSSL::PKey::EC\.(?:new|generate)\(?\s*['\"](?P<size>\w+)", "ECDSA", "", _SIGNS),
        (r"\bDigest::MD5\b", "MD5", "", _DIGESTS),
        (r"\bDigest::SHA1\b", "SHA-1", "", _DIGESTS),
    ),
    "php": (
        (r"\bOPENSSL_KEYTYPE_RSA\b", "RSA", "", _BOTH),
        (r"\bOPENSSL_KEYTYPE_EC\b", "ECDSA", "", _SIGNS),
        (r"(?<![>:\w])md5\(", "MD5", "", _DIGESTS),
        (r"(?<![>:\w])sha1\(", "SHA-1", "", _DIGESTS),
        (r"openssl_encrypt\([^,]+,\s*['\"]aes-(?P<size>128|192|256)", "AES", "", _HIDES),
    ),
}  # fmt: skip
# Names of JSON web signatures (RFC 7518) mean the same in every language.
_ANYWHERE: tuple[_Row, ...] = (
    (r"['\"](?:RS|PS)(?:256|384|512)['\"]", "RSA", "", _SIGNS),
    (r"['\"]ES(?P<size>256|384|512)['\"]", "ECDSA", "", _SIGNS),
)

_CURVES = {
    "secp256r1": ("p256", "p-256", "prime256v1", "nistp256", "256"),
    "secp384r1": ("p384", "p-384", "nistp384", "384"),
    "secp521r1": ("p521", "p-521", "nistp521", "512"),
    "secp256k1": ("k256",),
}
_CURVE_OF = {alias: curve for curve, aliases in _CURVES.items() for alias in aliases}

_COMPILED = {
    language: [(re.compile(pattern), algorithm, size, use) for pattern, algorithm, size, use in (*rows, *_ANYWHERE)]
    for language, rows in _TABLE.items()
}


def is_source(where: str) -> bool:
    """Whether a file's name says that it is code of a language in the table."""
    return PurePath(where).suffix.lower() in _LANGUAGES


def crypto_in(data: bytes, where: str) -> Iterator[Asset]:
    """Each place in a source file that makes keys, signs, encrypts or digests, in order."""
    language = _LANGUAGES[PurePath(where).suffix.lower()]
    comments = _COMMENTS.get(language, _SLASHES)
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        text = line.strip()[:MAX_LINE_CHARS]
        if not text or text.startswith(comments):
            continue
        seen = set()
        for pattern, algorithm, fixed, use in _COMPILED[language]:
            found = pattern.search(text)
            if found is None or algorithm in seen:
                continue
            seen.add(algorithm)
            size = _size(algorithm, next((group for group in found.groupdict().values() if group), fixed))
            yield Asset(
                form="source", name=f"{algorithm} {size}".strip(), where=where, algorithm=algorithm, size=size, use=use,
                line=number, digest=hashlib.sha256(f"source {algorithm} {size} {use.value}".encode()).hexdigest(),
            )  # fmt: skip


def _size(algorithm: str, told: str) -> str:
    if algorithm in ("ECDSA", "ECDH"):
        lower = told.lower()
        return _CURVE_OF.get(lower, lower)
    return told
