"""Settings of indicators and the archive."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from phalanx.node.settings._section import Section


class IndicatorsSection(Section):
    """Indicators: values to look for in events."""

    warninglists: Path | None = Field(
        None,
        description="Folder of MISP warninglists (`list.json` in folders), in addition to values reserved by "
        "standards.",
    )
    hygiene: Literal["refuse", "flag", "off"] = Field(
        "refuse",
        description="What happens to an indicator on a warninglist: refused, accepted and labelled, or accepted.",
    )


class ArchiveSection(Section):
    """Events stored for search, by tenant, in sealed segments."""

    enabled: bool = Field(default=True, description="Store accepted events for search.")
    tenant_gib: float = Field(
        64.0,
        gt=0,
        le=65_536,
        description="Events stored per tenant, in GiB on disk (in 20,000 files at most); the oldest are dropped first.",
    )
    days: float = Field(0.0, ge=0, le=36_500, description="Older events are dropped; 0: at any age.")
    gib_of: dict[str, Annotated[float, Field(gt=0, le=65_536)]] = Field(
        {}, description="A different `tenant_gib` for some tenants, as a table; as text `acme=8`."
    )
    days_of: dict[str, Annotated[float, Field(ge=0, le=36_500)]] = Field(
        {}, description="Different `days` for some tenants, as a table; as text `acme=90,lab=7`."
    )
    cache_mib: int = Field(256, ge=0, le=65_536, description="Memory for blocks cached between searches, in MiB.")
