"""What must be in a text for a regular expression to be found in it, read from the parsed expression."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from phalanx.intel._limits import MAX_NEEDED_LITERALS, MIN_WITNESS_CHARS

try:
    from re import _constants as sre  # type: ignore[attr-defined]
    from re import _parser as sre_parser  # type: ignore[attr-defined]
except ImportError:
    # They are no promise of the language's. Without them nothing is known of an expression, and more is tried.
    sre = sre_parser = None

# Letters that are in most values.
_COMMON: Final = frozenset(' .:/\\-,="()aeiorst')
# Signs that are in few values.
_RARE: Final = frozenset("&^{}$`~<>;!#@")
_REPEATS: Final = () if sre is None else (sre.MAX_REPEAT, sre.MIN_REPEAT)


def weight(text: str) -> int:
    """How many letters tell as much as ``text``: a rare sign counts twice."""
    return len(text) + sum(letter in _RARE for letter in text)


def _parsed(pattern: re.Pattern[str]) -> Any:
    """The expression as the standard library's parser has it; nothing where there is none, or it gives up."""
    if sre_parser is None:
        return None
    try:
        return sre_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    except (re.error, RecursionError, OverflowError):
        return None


def required_literals(pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Texts in lower case, one of which is in the lower case of whatever ``pattern`` is found in; none if unknown."""
    # Letters that fold into ASCII from outside (the Kelvin sign) are taken care of by lower case.
    parsed = _parsed(pattern) if pattern.pattern.isascii() else None
    if parsed is None:
        return ()
    # The long s, which is no lower case of s but matches it regardless of case.
    folds = bool(parsed.state.flags & re.IGNORECASE)
    best = _best_run(parsed, folds=folds)
    return tuple(text.lower() for text in best)


def _best_run(parsed: Any, *, folds: bool) -> tuple[str, ...]:
    """The longest certain run of a parsed expression, or the runs of an alternation, whichever is worth more."""
    options: list[tuple[str, ...]] = []
    run: list[str] = []

    def close() -> None:
        if weight(text := "".join(run)) >= MIN_WITNESS_CHARS:
            options.append((text,))
        run.clear()

    for kind, argument in parsed:
        if kind is sre.LITERAL and argument < 128 and not (folds and chr(argument) in "sSkKiI"):
            run.append(chr(argument))
            continue
        close()
        if kind is sre.SUBPATTERN and not argument[1] and not argument[2]:
            options.append(_best_run(argument[3], folds=folds))
        elif kind is sre.BRANCH:
            runs = [_best_run(branch, folds=folds) for branch in argument[1]]
            options.append(tuple(text for found in runs for text in found) if all(runs) else ())
        elif kind in _REPEATS and argument[0] >= 1:
            options.append(_best_run(argument[2], folds=folds))
    close()
    return max(options, key=lambda texts: min(map(weight, texts), default=0), default=())


def needed_literals(pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Texts all of which are in whatever ``pattern`` is found in, as they stand, the rarest first; none if unknown."""
    parsed = _parsed(pattern)
    if parsed is None:
        return ()
    runs = dict.fromkeys(_certain_runs(parsed, folds=bool(parsed.state.flags & re.IGNORECASE)))
    return tuple(sorted(runs, key=lambda run: (-len(run), run in _COMMON))[:MAX_NEEDED_LITERALS])


def _certain_runs(parsed: Iterable[Any], *, folds: bool) -> Iterator[str]:
    run: list[str] = []
    for kind, argument in parsed:
        # Regardless of case only what has none stands for itself.
        if kind is sre.LITERAL and (not folds or (argument < 128 and not chr(argument).isalpha())):
            run.append(chr(argument))
            continue
        if run:
            yield "".join(run)
            run = []
        if kind is sre.SUBPATTERN and not argument[1] and not argument[2]:
            yield from _certain_runs(argument[3], folds=folds)
        elif kind in _REPEATS and argument[0] >= 1:
            yield from _certain_runs(argument[2], folds=folds)
    if run:
        yield "".join(run)
