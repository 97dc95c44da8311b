"""Settings of sinks and sources: ``[[sinks]]`` and ``[[sources]]``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from phalanx.core import DEFAULT_TENANT
from phalanx.intel.delivery import MAX_SINKS, MAX_SOURCES
from phalanx.node.settings._section import Section

_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
_Kind = Literal["finding", "case", "decision", "event"]
_SeverityName = Literal["informational", "low", "medium", "high", "critical"]


class SinkSetting(Section):
    """Someone who is told."""

    name: str = Field(pattern=_NAME, description="Its name on this node.")
    type: str = Field(description="Plug-in of `phalanx.sinks`, e.g. `splunk-hec`.")
    tenant: str = Field(str(DEFAULT_TENANT), min_length=1, description="Tenant whose findings it is told.")
    kinds: tuple[_Kind, ...] = Field(
        ("finding", "case", "decision"), min_length=1, description="What it is told; `event` is every event."
    )
    min_severity: _SeverityName = Field("informational", description="The lowest severity that it is told.")
    updates: bool | None = Field(
        None, description="Send a finding again when it has more hits; if omitted, the sink's default."
    )
    batch_items: int = Field(500, ge=1, le=10_000, description="Maximum items in one parcel.")
    batch_kib: int = Field(976, ge=1, le=8_192, description="Maximum size of one parcel, in KiB.")
    linger_s: float = Field(1.0, ge=0, le=60, description="How long a parcel that is not full waits for more.")
    options: dict[str, str] = Field({}, description="Options of the plug-in; secrets as `NAME_file` or `NAME_fd`.")


class SourceSetting(Section):
    """A place that events are drawn from."""

    name: str = Field(pattern=_NAME, description="Its name on this node.")
    type: str = Field(description="Plug-in of `phalanx.sources`, e.g. `file`.")
    tenant: str = Field(str(DEFAULT_TENANT), min_length=1, description="Tenant that owns its events.")
    reader: str = Field("auto", description="Format of the lines; `auto` recognises it line by line.")
    batch_kib: int = Field(512, ge=1, le=512, description="Maximum amount drawn at once, in KiB.")
    options: dict[str, str] = Field({}, description="Options of the plug-in; secrets as `NAME_file` or `NAME_fd`.")


def _distinct(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two are called {twice[0]!r}")


class SinksSection(Section):
    """Who is told what was found."""

    each: Annotated[tuple[SinkSetting, ...], Field(max_length=MAX_SINKS)] = Field(
        (), description="One table for each sink: `[[sinks]]` in the file, JSON in the environment."
    )

    @model_validator(mode="after")
    def _names(self) -> "SinksSection":
        _distinct([one.name for one in self.each])
        return self


class SourcesSection(Section):
    """Where events are drawn from."""

    each: Annotated[tuple[SourceSetting, ...], Field(max_length=MAX_SOURCES)] = Field(
        (), description="One table for each source: `[[sources]]` in the file, JSON in the environment."
    )

    @model_validator(mode="after")
    def _names(self) -> "SourcesSection":
        _distinct([one.name for one in self.each])
        return self
