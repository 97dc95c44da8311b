"""Readers and the rule compiler on public data that this project did not write."""

import zipfile
from collections import Counter

import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, ns_from_iso
from phalanx.intel import RuleSet, load_rules, ocsf_view, parse_rule, read_lines
from phalanx.intel.reading._lines import slices, split_lines
from phalanx.intel.sigma._view import View

pytestmark = pytest.mark.slow

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
ACCEPTED_NS = ns_from_iso("2026-03-02T10:00:00Z")


def members(shared_data):
    """Every file of the recorded attacks, by name, with its bytes."""
    for archive in sorted((shared_data / "logs" / "otrf_security_datasets").rglob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if not name.endswith("/"):
                    yield f"{archive.stem}/{name}", opened.read(name)


@pytest.mark.requirement("INT-1")
def test_every_line_of_the_recorded_attacks_is_read_or_rejected_with_a_reason(shared_data):
    events = Counter()
    rejects = Counter()
    sources = Counter()
    for name, data in members(shared_data):
        kind = name.rpartition(".")[2]
        for first_row, lines in slices(split_lines(data)):
            out = read_lines(lines, first_row=first_row, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)
            assert out.events + len(out.rejected) == len(lines), name
            assert all(rejected.reason for rejected in out.rejected), name
            events[kind] += out.events
            rejects[kind] += len(out.rejected)
            for batch in out.batches:
                sources[str(batch.log_source)] += len(batch)
                assert all(time_ns < ACCEPTED_NS for time_ns in batch.times_ns), name
                ocsf_view(next(iter(batch)))
    assert events["json"] == 46_174
    assert rejects["json"] == 0
    assert events["log"] == 18
    assert rejects["log"] == 0
    # Packet captures and a table are no logs: hardly a line of them looks like one.
    assert events["cap"] + events["csv"] < 50
    assert sources["windows/process_creation/sysmon"] == 116
    assert sources["windows/process_creation/security"] > 100
    assert sources["linux/auditd"] == 18


@pytest.mark.requirement("INT-2")
def test_the_builtin_rules_find_recorded_attacks_and_stay_quiet_elsewhere(shared_data):
    rules = load_rules()
    hits = {}
    lines_read = Counter()
    for name, data in members(shared_data):
        if not name.endswith(".json"):
            continue
        found = hits.setdefault(name.partition("/")[0], Counter())
        for first_row, lines in slices(split_lines(data)):
            lines_read[name.partition("/")[0]] += len(lines)
            out = read_lines(lines, first_row=first_row, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)
            for batch in out.batches:
                found.update(hit.rule.name for hit in rules.evaluate(batch))
    assert hits["empire_launcher_vbs"]["powershell-encoded-command"] > 0
    assert hits["empire_schtasks_creation_standard_user"]["scheduled-task-runs-script"] > 0
    assert hits["empire_uac_shellapi_fodhelper"]["powershell-encoded-command"] > 0
    total = sum(sum(found.values()) for found in hits.values())
    assert 0 < total < sum(lines_read.values()) / 100, hits


@pytest.mark.requirement("INT-2")
def test_all_public_rules_compile(shared_data):
    files = sorted((shared_data / "rules" / "sigma").rglob("*.yml"))
    rules = [parse_rule(file.read_bytes(), where=file.name) for file in files]
    assert len(rules) >= 3_141
    assert len(RuleSet(rules)) == len(rules)


@pytest.mark.requirement("INT-2")
def test_the_plan_of_all_public_rules_finds_what_each_rule_finds_by_itself(shared_data):
    """On the recorded attacks, thinned out: candidates must never miss a hit."""
    files = sorted((shared_data / "rules" / "sigma").rglob("*.yml"))
    rules = RuleSet(parse_rule(file.read_bytes(), where=file.name) for file in files)
    planned, alone = Counter(), Counter()
    for name, data in members(shared_data):
        if not name.endswith(".json"):
            continue
        for first_row, lines in slices(split_lines(data)[::9]):
            out = read_lines(lines, first_row=first_row, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS)
            for batch in out.batches:
                view = View(batch)
                planned.update((name, hit.rule.name, batch.rows[hit.place]) for hit in rules.evaluate(batch))
                for rule in rules.for_source(batch.log_source):
                    alone.update((name, rule.name, batch.rows[place]) for place in rule.match_view(view))
    assert len(alone) > 50
    assert planned == alone
