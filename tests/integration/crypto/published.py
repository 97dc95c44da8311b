"""Published test vectors, as cases to run through ``phalanx.crypto``.

Two sources: NIST's ACVP files beside the checkout (``shared_data/vectors``, see its ORIGIN.md
files) and the package ``cryptography-vectors`` (known answers of the reference implementations,
RFCs, Wycheproof's relatives). A ``Tally`` says how many cases held, which did not, and what no
public interface of ours can express, with the reason.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cryptography_vectors

from phalanx.core import PhalanxError

PACKAGE = Path(cryptography_vectors.__file__).parent


@dataclass
class Tally:
    """What became of the cases of one algorithm."""

    held: Counter = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    not_expressible: Counter = field(default_factory=Counter)

    def check(self, what: str, case: str, outcome: Callable[[], bool]) -> None:
        """Count a case as held if ``outcome`` is true, as broken if it is false or raises."""
        try:
            held = outcome()
        except PhalanxError as error:
            held = False
            case = f"{case}: {error}"
        if held:
            self.held[what] += 1
        else:
            self.broken.append(f"{what} {case}")

    def skip(self, reason: str, n: int = 1) -> None:
        self.not_expressible[reason] += n


def refused(call: Callable[[], object]) -> bool:
    """Whether ``call`` refuses with an error of ours."""
    try:
        call()
    except PhalanxError:
        return True
    return False


def acvp(folder: Path, prompt: str, results: str = "") -> Iterator[tuple[dict, dict]]:
    """(group, case) of an ACVP file, each case with what is expected of it merged in."""
    expected = _load(folder / results) if results else None
    for number, group in enumerate(_load(folder / prompt)["testGroups"]):
        answers = {test["tcId"]: test for test in expected["testGroups"][number]["tests"]} if expected else {}
        for test in group["tests"]:
            yield group, test | answers.get(test["tcId"], {})


def _load(file: Path) -> dict:
    if file.suffix == ".gz":
        with gzip.open(file) as stream:
            return json.load(stream)
    return json.loads(file.read_text())


def known_answers(name: str) -> Iterator[dict[str, str]]:
    """Blocks of ``key = value`` lines of a file of the package; a new block begins where a key comes again."""
    block: dict[str, str] = {}
    for line in (PACKAGE / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals or line.startswith("#"):
            if line.strip() == "FAIL":
                block["fail"] = "FAIL"
            continue
        if key in block:
            yield block
            block = {}
        block[key] = value
    if block:
        yield block


def text_or_hex(value: str) -> bytes:
    """BoringSSL's files write bytes as hex or as quoted text."""
    quoted = re.fullmatch(r'"(.*)"', value)
    return quoted[1].encode() if quoted else bytes.fromhex(value)
