"""Settings of places for batch jobs: `[[allocation.places]]`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from phalanx.node.settings._section import Section


class PlaceSetting(Section):
    """A scheduler that batch jobs may be routed to."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Its name on this node.")
    type: Literal["slurm", "kubernetes"] = Field(description="Its kind: slurmrestd, or a Kubernetes API server.")
    url: str = Field(pattern=r"^https?://", description="Its address.")
    token_file: Path = Field(description="File with the token, mode 0600.")
    user: str = Field("", description="For Slurm: the user the token belongs to.")
    namespace: str = Field("default", description="For Kubernetes.")
    ca: Path | None = Field(None, description="Certificates (PEM) to trust besides the system's.")
    image: str = Field("", description="For Kubernetes: image of jobs that name none.")
    commands: tuple[str, ...] = Field((), max_length=256, description="Commands that may be run there; empty: any.")
    cpus: int = Field(64, ge=1, description="Maximum CPUs of one job.")
    memory_mib: int = Field(262_144, ge=1, description="Maximum memory of one job, in MiB.")
    slots: int = Field(8, ge=1, description="Jobs that run there in parallel, as far as is known.")
    start_s: float = Field(30.0, ge=0, description="Seconds until a job begins where nothing waits.")
    speed: float = Field(1.0, gt=0, description="How much faster than this machine it runs a job.")
    cpu_hour: float = Field(0.0, ge=0, description="What an hour of a CPU costs there.")
