"""How much of the demo's intrusion is found, and how much is found that is not there.

    python examples/score_the_demo.py

Reads one seeded intrusion and matches the rules, as a node does but without one, and compares
what matched with the ground truth, which the rules never see. An incident of a node has more of
the intrusion's events: hunts add what no rule matches; `phalanx demo` tells how many. Both the intrusion and the rules
are our own, so the figures say how the parts fit together and nothing about other data.
"""

import json
from collections import Counter

from phalanx.core import DEFAULT_TENANT, BatchId
from phalanx.demo import Intrusion, LineId
from phalanx.intel import load_rules, read_chunk

SEED = 7


def main() -> None:
    intrusion, rules = Intrusion(SEED), load_rules()
    matched: set[LineId] = set()
    for chunk in intrusion.chunks():
        out = read_chunk(
            chunk.data, reader=chunk.reader_hint, tenant=DEFAULT_TENANT, batch=BatchId("0" * 36), accepted_at_ns=0
        )
        for batch in out.batches:
            matched |= {LineId(chunk.number, batch.rows[hit.place]) for hit in rules.evaluate(batch)}

    of_stage = Counter(deed.stage for deed in intrusion.truth.values())
    found_of_stage = Counter(intrusion.truth[line].stage for line in matched if line in intrusion.truth)
    true_matches = sum(found_of_stage.values())
    for stage, events in of_stage.items():
        print(f"{stage:<22} {found_of_stage[stage]:>3} of {events:>3} events matched")
    summary = {
        "events": intrusion.n_events,
        "of_the_intrusion": len(intrusion.truth),
        "matched": len(matched),
        "recall": round(true_matches / len(intrusion.truth), 3),
        "precision": round(true_matches / len(matched), 3),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
