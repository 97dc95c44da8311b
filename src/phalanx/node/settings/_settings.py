"""Settings of a node: what can be set, its default, and what it means.

The reference page is generated from the descriptions here; a field without one fails a test.
Where values come from, and which source wins, is in ``_sources``.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from phalanx.core import GIB, MIB
from phalanx.crypto import CryptoPolicy
from phalanx.crypto.artefacts import ArtefactBounds
from phalanx.node.settings._connectors import SinksSection, SourcesSection
from phalanx.node.settings._intel import ArchiveSection, IndicatorsSection
from phalanx.node.settings._section import Section
from phalanx.node.settings._work import (
    AllocationSection,
    BalancingSection,
    CanarySection,
    DeceptionSection,
    DetectionSection,
    DevicesSection,
    PostureSection,
    ResponseSection,
    WorkflowsSection,
)

RoleName = Literal["sentinel", "hunter", "guardian", "analyst", "deception", "admin", "canary", "specialist"]


# What a node is called that nobody has named.
UNNAMED = "phalanx"


class NodeSection(Section):
    """The node itself."""

    name: str = Field(
        UNNAMED,
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Name of this node in logs, dashboard, telemetry.",
    )
    data_dir: Path = Field(
        Path("phalanx-data"), description="Folder for everything the node stores. Created with mode 0700."
    )
    drain_s: float = Field(
        10.0, ge=0, le=600, description="After SIGTERM, how long missions in progress may take to finish."
    )
    workers: int = Field(2, ge=1, le=256, description="Threads for CPU-bound work off the event loop.")


class ApiSection(Section):
    """The HTTP listener: API, dashboard and metrics."""

    host: str = Field(
        "127.0.0.1", description="Address to listen on. For anything but loopback, turn on TLS or put it in front."
    )
    port: int = Field(8470, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    tls_cert: Path | None = Field(
        None, description="Certificate chain (PEM) to speak TLS 1.3 with, preferring the group X25519MLKEM768."
    )
    tls_key: Path | None = Field(None, description="Private key (PEM) of tls_cert.")
    tls_self_signed: bool = Field(
        default=False,
        description="Without tls_cert: speak TLS with a certificate created at the first start, in data_dir/keys.",
    )
    metrics_open: bool = Field(
        default=False, description="Serve /metrics without a token to anyone who can connect, not only to loopback."
    )


class StoreSection(Section):
    """Where durable state lives."""

    kind: Literal["embedded", "postgres"] = Field(
        "embedded",
        description="embedded: SQLite and segment files in data_dir. postgres: one database (extra `postgres`).",
    )
    dsn: str = Field("", description="PostgreSQL connection string, for kind `postgres`.")


class IntakeSection(Section):
    """Accepting events."""

    max_backlog_events: int = Field(
        200_000, ge=1_000, description="Accepted but not yet analysed events before new ones are refused with 429."
    )
    retention_gib: float = Field(
        8.0, gt=0, description="Raw events kept for look-ups and hunting; beyond this the oldest are dropped."
    )
    hosts_file: Path | None = Field(
        None,
        description="Your hosts, as lines of `address name [alias …]`, so that an address and a name are one host.",
    )
    rules_dir: Path | None = Field(
        None, description="Folder of your own Sigma rules, used in addition to the built-in ones."
    )


class AgentsSection(Section):
    """The swarm."""

    per_role: int = Field(4, ge=1, le=1000, description="Agents of each role that has a skill or a duty.")
    roles: dict[RoleName, Annotated[int, Field(ge=0, le=1000)]] = Field(
        {},
        description="A different number for some roles, as a table; as text `hunter=8,canary=2`. 0: none of that role.",
    )
    reserved: dict[str, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {},
        description="Agents of each role that work for one tenant alone, as a table; as text `acme=2`. At least one "
        "of each role must be left for all tenants.",
    )
    processes: int = Field(
        0, ge=0, le=256, description="Processes for CPU-bound skills, started at first use. 0: one per core."
    )
    processes_idle_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="After this long without work the processes end and release their memory. 0: they stay.",
    )
    prewarm: bool = Field(
        default=False,
        description="Start processes a minute before forecast work. Measured on a real trace, this saves a fiftieth "
        "of the waiting and takes two thirds more process hours than starting them on demand.",
    )
    hog_s: float = Field(
        0.5, gt=0, le=60, description="An agent that holds the event loop for this long is named in an alert."
    )


class CryptoSection(Section):
    """Which algorithms may be used for anything new."""

    forbidden: tuple[str, ...] = Field(
        (), description="Algorithms no longer to be used (`phalanx keys algorithms`). Existing data stays readable."
    )
    seal_with: Literal["AES-256-GCM", "ChaCha20-Poly1305"] = Field(
        "AES-256-GCM", description="What seals data at rest from now on."
    )

    @property
    def policy(self) -> CryptoPolicy:
        """The policy consulted whenever something new is created."""
        return CryptoPolicy(frozenset(self.forbidden))


class ArtefactSection(Section):
    """Files that the node stores, sealed: evidence, captures, uploads."""

    max_mib: int = Field(256, ge=1, le=16_384, description="Maximum size of one, in MiB.")
    tenant_gib: int = Field(16, ge=1, le=4_096, description="Maximum size of all of a tenant's together, in GiB.")

    @property
    def bounds(self) -> ArtefactBounds:
        return ArtefactBounds(self.max_mib * MIB, self.tenant_gib * GIB)


class EntropySection(Section):
    """Where secret randomness comes from, in addition to the operating system, which is always included."""

    sources: tuple[str, ...] = Field(
        ("jitter",),
        max_length=15,
        description="Noise sources mixed in, plug-ins of `phalanx.entropy`, e.g. `jitter,device:/dev/hwrng`.",
    )


class IdentitySection(Section):
    """Who the node is, and under which organisation."""

    organisation: str = Field(
        "local",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Name of the organisation whose root issues the node's identity; the root's key is generated at "
        "the first start.",
    )
    algorithm: Literal["Ed25519+ML-DSA-65", "Ed25519+ML-DSA-44", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "Ed25519"] = (
        Field(
            "Ed25519+ML-DSA-65",
            description="Algorithm of the node's and its agents' signing keys. A change re-signs everything in the "
            "background.",
        )
    )
    spares: int = Field(
        8,
        ge=0,
        le=10_000,
        description="Identities generated ahead of time, so that a new agent has one in microseconds.",
    )


class AtRestSection(Section):
    """Data at rest, sealed under a key hierarchy of its own for each tenant."""

    seal: bool = Field(
        default=True,
        description="Seal what is written for a tenant. What is already sealed stays readable when this is off.",
    )
    wrapper: str = Field(
        "file",
        description="What guards the root key: `file`, `passphrase`, `keyring`, `transit`, `pkcs11`,"
        " or another plug-in of `phalanx.key_wrappers`.",
    )
    options: dict[str, str] = Field(
        {}, description="Options of the wrapper, as a table; as text `name=value,name=value`."
    )


class TaxiiSource(Section):
    """A collection elsewhere that is pulled."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="Its name on this node.")
    url: str = Field(pattern=r"^https?://", description="Its API root, e.g. https://cti.example/api1/.")
    collection: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$", description="Id of the collection.")
    user: str = Field("", description="User name for HTTP Basic; empty: the secret is sent as a bearer token.")
    secret: Path | None = Field(None, description="File with the password or token, mode 0600.")
    ca: Path | None = Field(None, description="Certificates (PEM) to trust instead of the system's.")
    every_s: float = Field(300.0, ge=1, description="How often it is asked for new objects.")
    audience: Literal["own", "partner", "community", "public"] = Field(
        "partner", description="Its audience: what may be pushed to it, by TLP."
    )


class TaxiiSection(Section):
    """Intelligence shared by TAXII 2.1: the node's own server, and collections elsewhere."""

    title: str = Field("Phalanx", max_length=200, description="Title of the server, as shown in discovery.")
    contact: str = Field("", max_length=200, description="Contact for questions about the server.")
    unmarked: Literal["clear", "green", "amber", "amber+strict", "red"] = Field(
        "amber", description="How an object without a TLP marking is treated; own findings get this marking."
    )
    sources: tuple[TaxiiSource, ...] = Field((), max_length=32, description="Collections elsewhere that are pulled.")


class WitnessSetting(Section):
    """A witness of this node's ledger."""

    url: str = Field(pattern=r"^https?://", description="Address below which it answers `add-checkpoint`.")
    keys: tuple[str, ...] = Field(description="Its verifier keys, all of which must sign; see `phalanx ledger keys`.")


class LogSetting(Section):
    """A log that this node witnesses."""

    keys: tuple[str, ...] = Field(description="Its verifier keys, all of which must sign; see `phalanx ledger keys`.")
    url: str = Field(
        "", pattern=r"^(https?://.*)?$", description="Address of its node, which is asked for proofs; empty: unknown."
    )


class LedgerSection(Section):
    """Who vouches for the ledger, and for whose ledgers this node vouches."""

    witnesses: tuple[WitnessSetting, ...] = Field(
        (), max_length=7, description="Nodes or C2SP witnesses that cosign this ledger's checkpoints."
    )
    quorum: int = Field(
        0, ge=0, le=7, description="Witnesses that must cosign a checkpoint; fewer raise an alert. 0: all of them."
    )
    witness_for: tuple[LogSetting, ...] = Field(
        (), max_length=256, description="Ledgers whose checkpoints this node cosigns and compares."
    )
    neighbours: tuple[str, ...] = Field(
        (), max_length=64, description="Addresses of nodes with which seen checkpoints are compared (gossip)."
    )
    peer_ca: Path | None = Field(
        None,
        description="File with certificates (PEM) of witnesses and neighbours to trust in addition to the system's.",
    )
    timestamp_url: str = Field(
        "", pattern=r"^(https?://.*)?$",
        description="RFC 3161 authority that timestamps checkpoints (extra `timestamps`). Empty: off.",
    )  # fmt: skip
    timestamp_ca: Path | None = Field(
        None, description="File with the certificates (PEM) that the authority's must lead to."
    )
    timestamp_every_s: float = Field(3600.0, ge=1, description="How often the newest checkpoint is timestamped.")
    anchor_with: Literal[
        "SLH-DSA-SHA2-128s", "SLH-DSA-SHA2-192s", "SLH-DSA-SHA2-256s",
        "SLH-DSA-SHAKE-128s", "SLH-DSA-SHAKE-192s", "SLH-DSA-SHAKE-256s",
    ] = Field(
        "SLH-DSA-SHA2-128s",
        description="What signs the daily anchors. A change creates a separate key, which the ledger announces.",
    )  # fmt: skip


class ClusterSection(Section):
    """Other nodes, reached over NATS (extra `cluster`). Without any of these settings a node is alone."""

    serve: bool = Field(
        default=False, description="Run a NATS server for this node and those it invites (`phalanx up --cluster`)."
    )
    host: str = Field("127.0.0.1", description="Address that the server listens on.")
    port: int = Field(0, ge=0, le=65535, description="Its port; 0 takes a free one at the first start and keeps it.")
    advertise: tuple[str, ...] = Field(
        (), max_length=8, description="Addresses under which others reach the server, e.g. tls://hq.example:4222."
    )
    token: Path | None = Field(
        None, description="File with a token of `phalanx cluster join-token`: join that node's cluster."
    )
    urls: tuple[str, ...] = Field(
        (), max_length=8, description="Join a NATS server of your own instead, e.g. tls://nats.example:4222."
    )
    ca: Path | None = Field(
        None, description="Certificates (PEM) that the server's must lead to; with it, TLS is mandatory."
    )
    nkey: Path | None = Field(None, description="File with the seed (SU…) of the NATS user to sign in as, mode 0600.")
    heirs: tuple[str, ...] = Field(
        (),
        max_length=64,
        description="Nodes that continue this node's missions should it die, and whose missions it continues, by "
        "their names in the cluster (`lab.acme`); `*`: all trusted nodes. A mission's finding goes along.",
    )
    manager: str = Field(
        "",
        description="The node that is manager for this one, by its name in the cluster: it keeps the calendar of "
        "reservations, decides where circuits go, and runs jobs under the budget it granted this node.",
    )
    manages: tuple[str, ...] = Field(
        (), max_length=64, description="Nodes that this node is manager for; `*`: all trusted nodes."
    )


class LogSection(Section):
    """Structured logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is written.")
    format: Literal["auto", "human", "json"] = Field(
        "auto", description="auto: human-readable on a terminal, JSON otherwise."
    )


class OtlpSection(Section):
    """Export of traces and metrics (extra `otlp`)."""

    endpoint: str = Field("", description="Base URL of an OTLP/HTTP collector, e.g. http://127.0.0.1:4318. Empty: off.")
    interval_s: float = Field(15.0, gt=0, description="How often metrics and finished spans are sent.")


class Settings(Section):
    """All settings of a node."""

    node: NodeSection = Field(NodeSection(), description="The node itself.")
    api: ApiSection = Field(ApiSection(), description="The HTTP listener.")
    store: StoreSection = Field(StoreSection(), description="Durable state.")
    intake: IntakeSection = Field(IntakeSection(), description="Accepting events.")
    detection: DetectionSection = Field(DetectionSection(), description="Rules and detectors.")
    agents: AgentsSection = Field(AgentsSection(), description="The swarm.")
    deception: DeceptionSection = Field(DeceptionSection(), description="Decoys and canaries.")
    canary: CanarySection = Field(CanarySection(), description="The node monitoring itself.")
    posture: PostureSection = Field(PostureSection(), description="Cryptographic inventory.")
    balancing: BalancingSection = Field(BalancingSection(), description="Balancing.")
    devices: DevicesSection = Field(DevicesSection(), description="Quantum devices.")
    allocation: AllocationSection = Field(AllocationSection(), description="Placement of circuits.")
    workflows: WorkflowsSection = Field(WorkflowsSection(), description="Steps of workflows.")
    response: ResponseSection = Field(ResponseSection(), description="The response policy.")
    crypto: CryptoSection = Field(CryptoSection(), description="Algorithms.")
    entropy: EntropySection = Field(EntropySection(), description="Secret randomness.")
    identity: IdentitySection = Field(IdentitySection(), description="Identities.")
    at_rest: AtRestSection = Field(AtRestSection(), description="Data at rest.")
    artefacts: ArtefactSection = Field(ArtefactSection(), description="Files that the node stores.")
    ledger: LedgerSection = Field(LedgerSection(), description="Witnesses, gossip and timestamps of the ledger.")
    archive: ArchiveSection = Field(ArchiveSection(), description="Events stored for search.")
    indicators: IndicatorsSection = Field(IndicatorsSection(), description="Values to look for.")
    taxii: TaxiiSection = Field(TaxiiSection(), description="Intelligence shared by TAXII 2.1.")
    cluster: ClusterSection = Field(ClusterSection(), description="Other nodes.")
    sinks: SinksSection = Field(SinksSection(), description="Who is told what was found, as `[[sinks]]` tables.")
    sources: SourcesSection = Field(
        SourcesSection(), description="Where events are drawn from, as `[[sources]]` tables."
    )
    log: LogSection = Field(LogSection(), description="Logs.")
    otlp: OtlpSection = Field(OtlpSection(), description="Export of traces and metrics.")


__all__ = ["Section", "Settings"]
