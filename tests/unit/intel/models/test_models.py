"""Models: trained with what they are worth, read with suspicion, asked in shadow, promoted, watched."""

import msgspec
import numpy as np
import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    NS_PER_S,
    BatchId,
    EventBatch,
    InvalidInput,
    LimitExceeded,
    LogSource,
    NotFound,
    TenantId,
    derive_id,
)
from phalanx.intel.models import (
    DRIFTED,
    MIN_SHADOW_EVENTS,
    ModelDetector,
    Models,
    ModelState,
    TrainingOptions,
    fit_coding,
    labelled_csv,
    labelled_events,
    model_view,
    read_document,
    train_model,
)
from phalanx.intel.models._document import Distribution
from phalanx.intel.models._watching import _status
from phalanx.testing import MemoryAudit, SimWorld
from phalanx.testing.contracts import DETECTOR_CHECKS

pytest.importorskip("lightgbm", reason="models are trained with the extra `learning`")
pytestmark = pytest.mark.requirement("INT-6")

SOURCE = LogSource("zeek", "firewall", "conn")
NOON_NS = 1_760_000_000 * NS_PER_S
OPTIONS = TrainingOptions(name="odd-conn", title="Odd connection", log_source=SOURCE, trees=30, false_alarms=0.01)


def events(n, seed, *, attacks=0.2, scale=1.0):
    """Connections: attacks go to odd ports with few bytes, mostly."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        bad = draw.random() < attacks
        port = int(draw.choice([4444, 8443, 443] if bad else [443, 80, 53]))
        size = float(draw.exponential(200 if bad else 5_000)) * scale
        rows.append({
            "id.orig_h": f"10.0.0.{draw.integers(1, 250)}", "id.resp_p": port, "orig_bytes": size,
            "service": str(draw.choice(["ssl", "-"] if bad else ["ssl", "dns", "http"])),
            "label": "bad" if bad else "good",
        })  # fmt: skip
    return rows


def batches(rows, size=100, source=SOURCE, tenant=DEFAULT_TENANT):
    made = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        made.append(
            EventBatch(
                tenant, BatchId(derive_id(NOON_NS, "batch", str(start))), source, "test", NOON_NS, range(len(part)),
                [NOON_NS + (start + n) * NS_PER_S for n in range(len(part))], [b"{}"] * len(part),
                {name: [row[name] for row in part] for name in part[0]},
            )
        )  # fmt: skip
    return made


def labelled(rows):
    return labelled_events(batches(rows), SOURCE, "label", ["bad"])


@pytest.fixture(scope="module")
def document():
    return train_model(labelled(events(3_000, 1)), OPTIONS, data="conn.log")


def test_a_model_says_what_it_was_made_of_and_how_good_it_was_on_what_it_never_saw(document):
    told = document.provenance
    assert (told.rows, told.test_rows, told.seed) == (3_000, 450, 0)
    assert 0.15 < told.base_rate < 0.25
    assert "in order of time" in told.split
    assert told.library.startswith("lightgbm")
    assert len(told.data_sha256) == 64
    assert told.metrics["recall_at_threshold"].value > 0.4
    assert told.metrics["accuracy"].low < told.metrics["accuracy"].value < told.metrics["accuracy"].high
    assert told.metrics["accuracy"].value > told.baselines["majority_accuracy"]
    assert told.metrics["false_positive_rate_at_threshold"].value < 0.05
    assert told.baselines["logistic_accuracy"].value > 0.5
    assert document.watched


def test_the_same_data_and_seed_give_the_same_model_and_other_data_another(document):
    again = train_model(labelled(events(3_000, 1)), OPTIONS, data="conn.log")
    assert again.digest == document.digest
    other = train_model(labelled(events(3_000, 2)), OPTIONS, data="conn.log")
    assert other.provenance.data_sha256 != document.provenance.data_sha256


def test_the_label_is_not_looked_at_nor_what_is_excluded():
    options = TrainingOptions(name="a", title="a", log_source=SOURCE, trees=5, exclude=("service",), order="random")
    made = train_model(labelled(events(1_000, 1)), options, data="x", test=labelled(events(300, 3)))
    assert {field.name for field in made.coding.fields} <= {"id.orig_h", "id.resp_p", "orig_bytes"}
    assert (made.provenance.test_rows, made.provenance.split) == (
        300, "85 % fit, 15 % threshold, drawn by seed 0; judged on a set apart",
    )  # fmt: skip


def test_csv_is_learned_from_under_its_header():
    rows = events(600, 4)
    text = "id.resp_p,orig_bytes,label\n" + "".join(f"{r['id.resp_p']},{r['orig_bytes']},{r['label']}\n" for r in rows)
    made = train_model(labelled_csv(text.encode(), "label", ["bad"]), OPTIONS, data="x.csv")
    assert made.provenance.rows == 600
    with pytest.raises(InvalidInput):
        labelled_csv(text.encode(), "nothing", ["bad"])


@pytest.mark.parametrize("rows", [events(60, 1), events(400, 1, attacks=0.0), events(400, 1, attacks=1.0)])
def test_too_little_is_not_learned_from(rows):
    with pytest.raises(InvalidInput):
        train_model(labelled(rows), OPTIONS, data="x")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "No Name"}, {"severity": "awful"}, {"form": 2}, {"floor": float("nan")}, {"ceiling": -1e9},
        {"trees": b"x"},
        {"watched": {"nothing": Distribution((0.0,), (0.5, 0.5))}},
        {"scores": Distribution((1.0, 0.0), (1.0, 0.0, 0.0))},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_document_that_was_meddled_with_is_refused(document, change):
    with pytest.raises(InvalidInput):
        read_document(msgspec.structs.replace(document, **change).to_bytes())


def test_a_document_with_other_features_or_without_measures_or_too_dear_is_refused(document, monkeypatch):
    coding = msgspec.structs.replace(document.coding, fields=document.coding.fields[1:])
    bare = msgspec.structs.replace(document.provenance, metrics={})
    for change in ({"coding": coding}, {"provenance": bare}):
        with pytest.raises(InvalidInput):
            read_document(msgspec.structs.replace(document, **change).to_bytes())
    with pytest.raises(InvalidInput):
        read_document(document.to_bytes()[:-9])
    with pytest.raises(LimitExceeded):
        read_document(b"x" * (5 << 20))
    monkeypatch.setattr("phalanx.intel.models._document.MAX_STEPS", 10)
    with pytest.raises(LimitExceeded):
        read_document(document.to_bytes())


@pytest.mark.parametrize("value", [None, "", True, float("nan"), 10**400, "x" * 10_000, -1])
def test_values_that_are_odd_become_numbers(document, value):
    rows = document.coding.rows({field.name: [value] for field in document.coding.fields}, 1)
    assert rows.shape == (1, len(document.coding.features))


def test_nothing_is_made_of_fields_that_never_differ():
    with pytest.raises(InvalidInput):
        fit_coding({"a": ["x"] * 50, "b": [None] * 50})


def with_models(main, seed=3):
    async def inside(world):
        ports, ledger = world.ports("one"), MemoryAudit()
        models = Models(ports.store, ports.clock, ports.offload, ledger)
        return await main(ports, models, ledger)

    return SimWorld(seed).run(inside)


def test_a_new_model_is_silent_in_shadow_is_promoted_with_a_reason_and_replaced(document):
    async def story(ports, models, ledger):
        entry = await models.put(DEFAULT_TENANT, document.to_bytes(), by="ann")
        assert (entry.state, entry.id) == (ModelState.SHADOW, f"odd-conn@{document.digest[:12]}")
        assert (await models.put(DEFAULT_TENANT, document.to_bytes(), by="ben")).by == "ann", "it is known"
        detector = ModelDetector(models)
        come = batches(events(600, 8))
        assert not [hit for batch in come for hit in detector.evaluate(batch)]
        house = next(iter(detector._houses.values()))
        assert house.watches[entry.id].events == 600
        assert house.watches[entry.id].passed > 20, "what it would have said is counted"
        assert detector.thresholds(DEFAULT_TENANT) == {}
        for seen, reason in ((MIN_SHADOW_EVENTS - 1, "x"), (MIN_SHADOW_EVENTS, " ")):
            with pytest.raises(InvalidInput):
                await models.move(
                    DEFAULT_TENANT, "odd-conn", ModelState.PROMOTED, reason=reason, by="ann", seen=seen,
                    wanted=MIN_SHADOW_EVENTS,
                )  # fmt: skip
        await models.move(DEFAULT_TENANT, "odd-conn", ModelState.PROMOTED, reason="it is right", by="ann")
        hits = [hit for _ in range(5) for batch in come for hit in detector.evaluate(batch)]
        assert len(hits) > 100, "many attacks raise its threshold no further than its ceiling"
        assert {hit.rule.name for hit in hits} == {"model-odd-conn"}
        assert "log-odds" in hits[0].told
        bad = [hit.batch.columns["label"][hit.place] == "bad" for hit in hits]
        assert sum(bad) > 0.7 * len(bad)
        assert list(detector.thresholds(DEFAULT_TENANT)) == ["model-odd-conn"]
        assert not models.asked(TenantId("other"))
        newer = train_model(labelled(events(3_000, 2)), OPTIONS, data="newer.log")
        second = await models.put(DEFAULT_TENANT, newer.to_bytes(), by="ann")
        with pytest.raises(NotFound):
            await models.get(DEFAULT_TENANT, "odd-conn")
        await models.move(DEFAULT_TENANT, second.id, ModelState.PROMOTED, reason="fresh data", by="ann")
        states = {one.id: one.state for one in await models.entries(DEFAULT_TENANT)}
        assert states == {entry.id: ModelState.RETIRED, second.id: ModelState.PROMOTED}
        with pytest.raises(InvalidInput):
            await models.move(DEFAULT_TENANT, entry.id, ModelState.PROMOTED, reason="again", by="ann")
        again = Models(ports.store, ports.clock, ports.offload, ledger)
        await again.open()
        assert [one.id for one in again.asked(DEFAULT_TENANT)] == [second.id]
        actions = [one.action for one in ledger.entries]
        assert actions == ["model.put", "model.promoted", "model.put", "model.retired", "model.promoted"] or sorted(
            actions
        ) == sorted(["model.put", "model.promoted", "model.put", "model.retired", "model.promoted"])
        assert ledger.entries[0].body["data"] == document.provenance.data_sha256
        (scored, *_) = await models.score(DEFAULT_TENANT, second.id, come[:1])
        assert 0 <= scored.probability <= 1
        view = await model_view(models, ports.store, DEFAULT_TENANT, second.id)
        assert (view.status.events, view.status.threshold) == (0, newer.floor)

    with_models(story)


@pytest.mark.requirement("LRN-3")
def test_events_of_another_kind_are_told_once_and_those_as_in_training_are_not(document):
    async def story(_, models, __):
        await models.put(DEFAULT_TENANT, document.to_bytes(), by="ann")
        detector = ModelDetector(models)
        usual = batches(events(3_000, 9))
        assert not [hit for batch in usual for hit in detector.evaluate(batch)]
        changed = batches(events(6_000, 10, scale=40.0))
        hits = [hit for batch in changed for hit in detector.evaluate(batch)]
        assert [hit.rule for hit in hits] == [DRIFTED]
        assert "population stability index" in hits[0].told
        psi, worst = next(iter(detector._houses[DEFAULT_TENANT].watches.values())).psi(document)
        assert psi > 0.25
        assert worst in ("scores", *document.watched)
        shown = [_status(document, watch) for watch in detector._houses[DEFAULT_TENANT].watches.values()]
        assert [one.drifted for one in shown] == [True]
        assert not _status(document, None).drifted
        few = ModelDetector(models)
        for batch in batches(events(400, 10, scale=40.0)):
            assert not list(few.evaluate(batch))
        (seen,) = [_status(document, watch) for watch in few._houses[DEFAULT_TENANT].watches.values()]
        assert seen.psi > 0.25, "by chance as well as by change"
        assert not seen.drifted, "the detector waits for more, and so does the status"
        calm = [hit for batch in batches(events(14_000, 11)) for hit in detector.evaluate(batch)]
        assert not calm
        assert [hit.rule for batch in changed for hit in detector.evaluate(batch)] == [DRIFTED], (
            "and again, when it is new"
        )

    with_models(story)


def test_models_that_are_asked_and_kept_are_bounded(document):
    async def story(_, models, __):
        for number in range(8):
            await models.put(
                DEFAULT_TENANT, msgspec.structs.replace(document, name=f"m{number}").to_bytes(), by="ann"
            )  # fmt: skip
        with pytest.raises(LimitExceeded):
            await models.put(DEFAULT_TENANT, msgspec.structs.replace(document, name="m9").to_bytes(), by="ann")
        await models.move(DEFAULT_TENANT, "m0", ModelState.RETIRED, reason="makes room", by="ann")
        await models.put(DEFAULT_TENANT, msgspec.structs.replace(document, name="m9").to_bytes(), by="ann")
        detector = ModelDetector(models)
        for batch in batches(events(800, 1)):
            detector.evaluate(batch)
        state = detector.state(DEFAULT_TENANT)
        assert len(state) < 500_000

    with_models(story)


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(document, check):
    async def story(_, models, __):
        for tenant in (DEFAULT_TENANT, TenantId("somebody-else")):
            await models.put(tenant, document.to_bytes(), by="ann")
            await models.move(tenant, "odd-conn", ModelState.PROMOTED, reason="x", by="ann")
        check(lambda: ModelDetector(models), batches(events(300, 12), size=60))

    with_models(story)


def test_psi_is_nothing_where_nothing_changed_and_grows_with_the_change():
    draw = np.random.default_rng(1)
    known = Distribution.of(draw.normal(size=5_000))
    same, shifted = (known.psi(known.counts(draw.normal(at, 1.0, 2_000))) for at in (0.0, 1.0))
    assert same < 0.03
    assert shifted > 0.5
    assert known.psi(np.zeros(len(known.parts))) == 0.0
    constant = Distribution.of(np.zeros(100))
    assert constant.psi(constant.counts(np.zeros(50))) == pytest.approx(0.0, abs=1e-6)


def test_parts_of_a_log_source_that_are_empty_match_any_and_a_wrong_one_says_what_there_is():
    there = batches(events(200, 5))
    for wanted in (SOURCE, LogSource("zeek", "", "conn"), LogSource()):
        assert len(labelled_events(there, wanted, "label", ["bad"]).attack) == 200
    with pytest.raises(InvalidInput) as refused:
        labelled_events(there, LogSource("zeek", "", "dns"), "label", ["bad"])
    assert "zeek/firewall/conn" in refused.value.hint
