#!/usr/bin/env python3
"""Writes the generated pages of ``docs/``; with ``--check`` it only says which are out of date.

``make docs`` runs it. Each page is built by one module of ``docgen`` from the code itself: the command
tree, the settings model, the API's schema, the error tree, the metrics, the marks of the tests.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from docgen import PAGES, difference

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the pages; 1 when a checked page is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="only these, e.g. docs/reference/cli.md")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.pages) - set(PAGES))
    if unknown:
        parser.error(f"no such page: {', '.join(unknown)} (there are {', '.join(PAGES)})")
    stale = 0
    for path in given.pages or PAGES:
        text = PAGES[path](given.root)
        target = given.root / path
        before = target.read_text("utf-8") if target.exists() else ""
        if text == before:
            continue
        stale += 1
        if given.check:
            print(f"{path} is out of date; run `make docs`\n{difference(before, text, path)}")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
            print(f"wrote {path}")
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
