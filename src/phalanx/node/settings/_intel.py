"""Settings of what is looked for."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from phalanx.node.settings._section import Section


class IndicatorsSection(Section):
    """Values that somebody said to look for."""

    warninglists: Path | None = Field(
        None, description="Folder of MISP warninglists (`list.json` in folders), beside what standards reserve."
    )
    hygiene: Literal["refuse", "flag", "off"] = Field(
        "refuse", description="What becomes of an indicator on a warninglist: not taken, taken and labelled, or taken."
    )


class ArchiveSection(Section):
    """Events kept to be searched, by tenant, in sealed segments."""

    enabled: bool = Field(default=True, description="Keep accepted events to be searched.")
    tenant_gib: float = Field(
        64.0, gt=0, le=65_536, description="What is kept of one tenant, in GiB on disk; the oldest goes first."
    )
    days: float = Field(0.0, ge=0, le=36_500, description="Older events are let go of; 0: however old.")
    gib_of: dict[str, Annotated[float, Field(gt=0, le=65_536)]] = Field(
        {}, description="Another `tenant_gib` for some tenants, as a table; as text `acme=8`."
    )
    days_of: dict[str, Annotated[float, Field(ge=0, le=36_500)]] = Field(
        {}, description="Other `days` for some tenants, as a table; as text `acme=90,lab=7`."
    )
    cache_mib: int = Field(256, ge=0, le=65_536, description="Blocks that stay in memory between searches, in MiB.")
