"""Errors: context as attributes, a stable code, a sentence for people."""

import pickle

import pytest

from phalanx import core
from phalanx.core import (
    Conflict,
    FutureVersion,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Overloaded,
    PhalanxError,
    StorageCorrupt,
    StorageFull,
    Unavailable,
    UnknownField,
    WireError,
)

EACH = [
    (InvalidInput("port", "it is negative"), {"field": "port", "reason": "it is negative"}, "port: it is negative"),
    (NotFound("finding", "f1"), {"what": "finding", "key": "f1"}, "there is no finding 'f1'"),
    (LimitExceeded("rows", maximum=3, seen=5), {"limit": "rows", "maximum": 3, "seen": 5}, "limited to 3, got 5"),
    (Overloaded("intake", retry_after_s=2), {"what": "intake", "retry_after_s": 2}, "intake is full"),
    (Unavailable("qiskit", "not installed"), {"what": "qiskit", "reason": "not installed"}, "not available"),
    (StorageFull("journal a"), {"where": "journal a"}, "no space left for journal a"),
    (StorageCorrupt("a.seg", 9, "bad crc"), {"where": "a.seg", "position": 9, "reason": "bad crc"}, "damaged at 9"),
    (
        Conflict("t", "k", expected=1, found=2),
        {"table": "t", "key": "k", "expected": 1, "found": 2},
        "version 2, not 1",
    ),
    (WireError("finding", "cut"), {"kind": "finding", "reason": "cut"}, "not a valid finding: cut"),
    (UnknownField("finding", "x"), {"kind": "finding"}, "not a valid finding"),
    (FutureVersion("finding", seen=3, known=1), {"kind": "finding", "seen": 3, "known": 1}, "newer Phalanx"),
]


@pytest.mark.parametrize(("error", "attributes", "words"), EACH, ids=lambda value: type(value).__name__)
def test_an_error_tells_programs_and_people(error, attributes, words):
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert words in str(error)
    assert error.message == str(error)


@pytest.mark.parametrize(("error", "attributes", "words"), EACH, ids=lambda value: type(value).__name__)
def test_an_error_comes_back_whole_from_another_process(error, attributes, words):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert {name: getattr(back, name) for name in attributes} == attributes
    assert (str(back), back.message, back.hint, back.context) == (str(error), error.message, error.hint, error.context)


def test_every_kind_of_error_has_a_code_of_its_own():
    kinds = [kind for kind in vars(core).values() if isinstance(kind, type) and issubclass(kind, PhalanxError)]
    assert len(kinds) == len({kind.code for kind in kinds}) == 13


def test_what_wants_the_caller_to_act_says_how():
    assert "2 s" in Overloaded("intake", retry_after_s=2).hint
    assert "upgrade" in FutureVersion("finding", seen=3, known=1).hint
    assert StorageFull("x").hint
    assert InvalidInput("a", "b", hint="try c").hint == "try c"
