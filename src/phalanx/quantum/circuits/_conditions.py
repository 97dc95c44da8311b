"""What an ``if`` asks of bits, as disjoint conjunctions; the canonical form knows nothing else."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from phalanx.quantum._canonical import Condition
from phalanx.quantum._limits import MAX_CONDITION_BITS
from phalanx.quantum.circuits._expressions import Tree, evaluate
from phalanx.quantum.circuits._tokens import Tokens

Bits = Callable[[str, int | None], tuple[int, ...] | None]


def cubes(
    tree: Tree, bits_of: Bits, values: Mapping[str, Any], tokens: Tokens, at: int
) -> tuple[list[Condition], list[Condition]]:
    """Where ``tree`` holds and where it does not; each a list of conditions of which one at most holds at a time.

    ``bits_of(name, index)`` gives the bits of a register, or one of them; none when it is no register of bits.
    """
    found = _equality(tree, bits_of, values, tokens)
    if found is not None:
        return found
    named: dict[str, tuple[int, ...]] = {}
    plain = _plain(tree, bits_of, values, tokens, named)
    bits = sorted({bit for group in named.values() for bit in group})
    if not bits:
        raise tokens.error("the condition reads no bit", at)
    if len(bits) > MAX_CONDITION_BITS:
        raise tokens.error(
            f"a condition over more than {MAX_CONDITION_BITS} bits must be a register equal to a number", at
        )
    sides: tuple[list[tuple[bool, ...]], list[tuple[bool, ...]]] = ([], [])
    for assignment in product((False, True), repeat=len(bits)):
        at_bit = dict(zip(bits, assignment, strict=True))
        seen = {name: sum(at_bit[bit] << n for n, bit in enumerate(group)) for name, group in named.items()}
        sides[0 if evaluate(plain, {**values, **seen}, tokens) else 1].append(assignment)
    return _merged(bits, sides[0]), _merged(bits, sides[1])


def joined(outer: Condition, inner: Condition) -> Condition | None:
    """Both at once; none where they contradict each other."""
    together = dict(outer)
    for bit, value in inner:
        if together.setdefault(bit, value) != value:
            return None
    return tuple(sorted(together.items()))


def _equality(
    tree: Tree, bits_of: Bits, values: Mapping[str, Any], tokens: Tokens
) -> tuple[list[Condition], list[Condition]] | None:
    """A register against a number, of any width."""
    if not (isinstance(tree, tuple) and tree[0] in ("==", "!=")):
        return None
    left, right = tree[2], tree[3]
    if not (isinstance(left, tuple) and left[0] == "name"):
        return None
    group = bits_of(left[2], None)
    if group is None or _reads_bits(right, bits_of):
        return None
    wanted = evaluate(right, values, tokens)
    if not isinstance(wanted, int) or not 0 <= wanted < 1 << len(group):
        return ([], [()]) if tree[0] == "==" else ([()], [])
    terms = [(bit, bool(wanted >> n & 1)) for n, bit in enumerate(group)]
    holds: list[Condition] = [tuple(sorted(terms))]
    fails: list[Condition] = [tuple(sorted([*terms[:n], (terms[n][0], not terms[n][1])])) for n in range(len(terms))]
    return (holds, fails) if tree[0] == "==" else (fails, holds)


def _reads_bits(tree: Tree, bits_of: Bits) -> bool:
    if not isinstance(tree, tuple):
        return False
    if tree[0] in ("name", "index"):
        return bits_of(tree[2], None) is not None
    return any(_reads_bits(part, bits_of) for part in tree[2:])


def _plain(
    tree: Tree, bits_of: Bits, values: Mapping[str, Any], tokens: Tokens, named: dict[str, tuple[int, ...]]
) -> Tree:
    """The tree with each reading of bits as a name; which bits a name reads is put into ``named``."""
    if not isinstance(tree, tuple):
        return tree
    kind, at = tree[0], tree[1]
    if kind in ("name", "index"):
        index = None if kind == "name" else evaluate(tree[3], values, tokens)
        if index is not None and not isinstance(index, int):
            raise tokens.error("an index is an integer", at)
        group = bits_of(tree[2], index)
        if group is None:
            return tree
        name = f"{tree[2]}[{index}]"
        named[name] = group
        return ("name", at, name)
    return (kind, at, *(_plain(part, bits_of, values, tokens, named) for part in tree[2:]))


def _merged(bits: list[int], assignments: list[tuple[bool, ...]]) -> list[Condition]:
    """One condition if the assignments are one; else one each."""
    if not assignments:
        return []
    fixed = [
        (bit, assignments[0][n])
        for n, bit in enumerate(bits)
        if all(one[n] == assignments[0][n] for one in assignments)
    ]
    if len(assignments) == 1 << (len(bits) - len(fixed)):
        return [tuple(fixed)]
    return [tuple(zip(bits, one, strict=True)) for one in assignments]
