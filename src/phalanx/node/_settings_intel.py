"""Settings of what is looked for."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from phalanx.node._settings_section import Section


class IndicatorsSection(Section):
    """Values that somebody said to look for."""

    warninglists: Path | None = Field(
        None, description="Folder of MISP warninglists (`list.json` in folders), beside what standards reserve."
    )
    hygiene: Literal["refuse", "flag", "off"] = Field(
        "refuse", description="What becomes of an indicator on a warninglist: not taken, taken and labelled, or taken."
    )
