"""Settings of what agents do: decoys, probes, inventory, balancing, and who decides on actions."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from phalanx.incidents import DOMAIN_CONTROLLERS, MAX_EVIDENCE_AGE_S
from phalanx.node.settings._places import PlaceSetting
from phalanx.node.settings._section import Section
from phalanx.posture import parse_endpoint

_PortNumber = Annotated[int, Field(ge=0, le=65535)]
_UserName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class DeceptionSection(Section):
    """Decoys and canaries: things that nobody has a reason to touch. Without any setting nothing is deployed."""

    host: str = Field(
        "127.0.0.1", description="Address that decoys listen on; to be useful, it must be one that intruders can reach."
    )
    ssh: tuple[_PortNumber, ...] = Field(
        (), max_length=8, description="Ports of decoys that look like SSH; 0 takes a free one."
    )
    http: tuple[_PortNumber, ...] = Field((), max_length=8, description="Ports of decoys with a login page.")
    tcp: tuple[_PortNumber, ...] = Field((), max_length=8, description="Ports of decoys that greet and listen.")
    users: tuple[_UserName, ...] = Field(
        (),
        max_length=32,
        description="User names that nobody has; anyone who tries one, here or in any log, is detected.",
    )
    files: tuple[Path, ...] = Field(
        (), max_length=64, description="Files to plant with those names and passwords, and to watch."
    )


class DetectionSection(Section):
    """Rules and detectors that look at events."""

    reload_s: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="How often `intake.rules_dir` is checked for changed rules. 0: on demand only.",
    )


class CanarySection(Section):
    """The node monitoring itself."""

    probe_every_s: float = Field(
        300.0, ge=0, le=86_400, description="How often a probe travels the whole path from intake to ledger. 0: never."
    )
    probe_late_s: float = Field(30.0, gt=0, le=3600, description="A probe that takes longer raises an alert.")
    tripwires: tuple[Path, ...] = Field(
        (), max_length=256, description="Files that nobody should change; whoever does is detected."
    )


class PostureSection(Section):
    """Cryptographic inventory."""

    paths: tuple[Path, ...] = Field(
        (),
        max_length=256,
        description="Files and folders whose keys, certificates and source code are inventoried in addition to the "
        "node's own.",
    )
    endpoints: tuple[str, ...] = Field(
        (),
        max_length=256,
        description="Listeners that are asked once a day what they negotiate: `tls://host:443`, `ssh://host:22`.",
    )

    @field_validator("endpoints")
    @classmethod
    def _each_is_one(cls, endpoints: tuple[str, ...]) -> tuple[str, ...]:
        for endpoint in endpoints:
            parse_endpoint(endpoint, "posture.endpoints")
        return endpoints


class BalancingSection(Section):
    """Spreading missions over agents and circuits over devices."""

    beat_s: float = Field(
        5.0, gt=0, le=3600, description="How often arrivals are counted, the plan is recomputed and waiting work moved."
    )
    plan_from_per_s: float = Field(
        50.0,
        ge=0,
        description="Plan ahead once this many operations per second arrive in a pool (loads compiled kernels, 100 "
        "MiB). Below that, each goes where it is done first. 0: plan from the start.",
    )
    compile_ahead: bool = Field(
        default=True,
        description="Have numeric kernels compiled by a process of the lowest priority, once per machine, before they"
        " are needed. Without it the node stands still for seconds when they are.",
    )


class DevicesSection(Section):
    """Quantum devices: which providers reach real machines."""

    hardware: tuple[str, ...] = Field(
        (),
        max_length=64,
        description="Providers whose real machines are used, under the credentials that their SDKs find (and bill). "
        "The others' machines are emulated here.",
    )
    options: dict[str, str] = Field(
        {},
        max_length=64,
        description="Options of providers as `PROVIDER.NAME`, e.g. `ionq.url`; `ionq.key_file` names a private file "
        "under the data directory that holds a credential, `ibm.snapshots` the calibrations to emulate. "
        "See the device reference.",
    )


class AllocationSection(Section):
    """Which device a circuit goes to."""

    policy: str = Field(
        "expected_fidelity",
        pattern=r"^[a-z][a-z0-9_-]{0,62}$",
        description="Policy to compare devices by: `expected_fidelity`, `success_probability`, `composite`, "
        "`shortlist`, `least_busy`, `best_error`, `pareto`, `learned`, or another plug-in of "
        "`phalanx.policies`.",
    )
    laid_out: int = Field(
        5,
        ge=1,
        le=16,
        description="How many devices of the compiled shortlist a circuit is laid out on before one is chosen.",
    )
    tried: float = Field(
        0.05,
        ge=0,
        le=0.5,
        description="Share of job decisions that may try a device expected to be nearly as good, to learn which is "
        "better. Never for emergencies and deadlines. 0: none.",
    )
    local_commands: tuple[str, ...] = Field(
        (),
        max_length=256,
        description="Commands that batch jobs may run on this machine, by a job's first word. Anyone who may submit "
        "batch jobs (admins of the default tenant) runs them as the node's user.",
    )
    local_slots: int = Field(1, ge=1, le=256, description="Batch jobs that run on this machine in parallel.")
    places: tuple[PlaceSetting, ...] = Field(
        (), max_length=16, description="Schedulers that batch jobs may be routed to: `[[allocation.places]]`."
    )
    calendar_dsn: str = Field(
        "",
        description="Connection string of a PostgreSQL database (extra `postgres`) that holds the calendar of "
        "reservations for several nodes, each with its own store and `node.name`. Tenants of the same "
        "name are one tenant there. Empty: in the node's store.",
    )
    advance: bool = Field(
        default=False,
        description="Book backfill windows for a tenant's jobs that come at the same hour of most days. Measured on a"
        " real trace, this saves a tenth of the waiting, and six in ten such windows are for nothing.",
    )
    adaptive_breakers: bool = Field(
        default=True,
        description="For a device that fails now and then anyway, allow more than two failures in a row before "
        "avoiding it.",
    )
    fresh_h: float = Field(
        48.0, ge=0, le=8_760, allow_inf_nan=False,
        description="A machine whose calibration is older than this (in hours) is chosen only where no fresher one "
            "fits. 0: age does not matter.",
    )  # fmt: skip
    adaptive_freshness: bool = Field(
        default=False,
        description="Allow a machine's calibrations to become older than that where its own history shows that little"
        " changes meanwhile. Measured on a real trace, this costs more than it gains.",
    )
    adaptive_queues: bool = Field(
        default=True,
        description="Place work waiting for a machine anew when its queue is longer than in 19 of 20 observations, "
        "once there are 256 of them; before that, when it has doubled between two observations.",
    )
    fidelity: float = Field(0.6, ge=0, le=1, description="How much fidelity counts for the policy `pareto`.")
    time: float = Field(0.2, ge=0, le=1, description="How much being done early counts for it.")
    money: float = Field(0.2, ge=0, le=1, description="How much a low price counts for it.")


class WorkflowsSection(Section):
    """How steps of workflows are spread over processes and workers."""

    hedge: float = Field(
        0.95,
        ge=0,
        le=0.999,
        description="A pure piece of work that takes longer than this share of its function's calls is started a "
        "second time where there is nothing else to do; the first answer counts. 0: never.",
    )
    lease_s: float = Field(
        6.0,
        ge=2,
        le=600,
        description="A worker not heard from for this long is presumed dead; others do what it was doing.",
    )


class ResponseSection(Section):
    """The policy under which response actions are approved or refused."""

    protected_hosts: tuple[str, ...] = Field(
        DOMAIN_CONTROLLERS,
        description="Host name patterns that no automatic decision may isolate; the node's own host is always "
        "protected.",
    )
    min_probability: float = Field(
        0.7, ge=0, le=1, description="Lowest assessed probability of compromise at which isolating a host is approved."
    )
    max_hosts: int = Field(
        5, ge=0, le=1_000, description="Blast radius: isolations approved per hour before a person must decide."
    )
    max_evidence_age_s: float = Field(
        MAX_EVIDENCE_AGE_S,
        gt=0,
        description="Maximum age of the latest evidence; on older logs a person must decide.",
    )
    agreement: bool = Field(
        default=False,
        description="What the policy approves also takes the agreement of more than two thirds of the council.",
    )
    council: Literal["agents", "nodes"] = Field(
        "agents", description="Who has to agree: the agents of this node, or the nodes of its cluster, one voice each."
    )
    votes: Literal["auto", "ml-dsa", "wots"] = Field(
        "auto", description="How agents sign votes; auto: ML-DSA for up to 20, one-time hash-based keys for more."
    )
