"""Jobs of any kind on the schedulers that a site has: Slurm and Kubernetes, each job exactly once by its name.

A batch job is a command in a container or on a node, with what it takes. A system is asked to have it (``ensure``): a
name that is there already is the same job, whoever asked and whatever was lost on the way. States are those of QRMI, as
``devices.JobState`` has them. Adapters speak the schedulers' own formats; nothing here does.

Limits: Slurm does not keep names apart, so a name is looked for first and the job is submitted as a singleton: two
clients at one moment can both submit, but never run, the same name, and the later of both is cancelled when it is seen.
"""

from phalanx.allocation.batches._jobs import (
    BatchJob,
    BatchLoad,
    BatchState,
    BatchSystem,
    kubernetes_job,
    kubernetes_state,
    load_of,
    sbatch_script,
    slurm_request,
    slurm_state,
)

__all__ = [
    "BatchJob",
    "BatchLoad",
    "BatchState",
    "BatchSystem",
    "kubernetes_job",
    "kubernetes_state",
    "load_of",
    "sbatch_script",
    "slurm_request",
    "slurm_state",
]
