"""Makes the index of ATT&CK that comes with the package from an enterprise bundle.

    python scripts/generate_attack_index.py BUNDLE LICENCE --source TEXT --date YYYY-MM-DD

MITRE's licence wants its copyright line and its licence in every copy: both become part of the index.
"""

import argparse
from pathlib import Path

import msgspec

from phalanx.intel.sharing import build_index

TARGET = Path(__file__).parent.parent / "src/phalanx/intel/sharing/attack-enterprise.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("licence", type=Path)
    parser.add_argument("--source", required=True)
    parser.add_argument("--date", required=True)
    asked = parser.parse_args()
    index = build_index(
        asked.bundle.read_bytes(), source=asked.source, date=asked.date, licence=asked.licence.read_text("utf-8")
    )
    # A line per technique: what a new version of ATT&CK changes can be seen in a diff.
    text = msgspec.json.encode(index).replace(b'{"id":"T', b'\n{"id":"T')
    TARGET.write_bytes(text + b"\n")
    print(f"{len(index.techniques)} techniques, {len(index.tactics)} tactics, {len(text):,} bytes")


if __name__ == "__main__":
    main()
