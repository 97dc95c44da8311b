"""Slurm through its REST API, and Kubernetes Jobs: what ``allocation.batches`` asks of a scheduler.

A request that was throttled or found nobody is sent again a few times, as late as it was told to. That is safe: a job
is submitted under its name, and who does not know whether a submission arrived looks for the name before another one.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phalanx.adapters._limits import (
    BATCH_ANSWER_S,
    BATCH_RETRIES,
    BATCH_WAIT_S,
    MAX_BATCH_ANSWER_BYTES,
    MAX_BATCH_WAIT_S,
)
from phalanx.core import Clock, InvalidInput, NotFound, Unavailable

if TYPE_CHECKING:
    from phalanx.allocation.batches import BatchJob, BatchLoad, BatchState
    from phalanx.intel.sharing import HttpAsks, HttpReply

_AGAIN = {429, 502, 503, 504}
_SLURM_API, _SLURM_DB = "slurm/v0.0.40", "slurmdb/v0.0.40"


class _Place:
    """One API and its credentials; requests are sent again where that is safe."""

    def __init__(self, asks: "HttpAsks", clock: Clock, url: str, headers: Mapping[str, str]) -> None:
        self._asks, self._clock, self.url = asks, clock, url.rstrip("/")
        self._headers = {"Accept": "application/json", **headers}

    async def ask(self, method: str, path: str, body: Any = None, *, fine: frozenset[int]) -> "tuple[int, Any]":
        """Status and JSON of an answer whose status is below 300 or ``fine``. Raises ``Unavailable``."""
        problem = ""
        for attempt in range(BATCH_RETRIES):
            wait_s = min(MAX_BATCH_WAIT_S, BATCH_WAIT_S * 2.0**attempt)
            try:
                answer = await self._once(method, path, body)
            except Unavailable as error:
                problem = error.reason
                if method == "POST":
                    # It may have arrived: who called looks whether it did.
                    raise
            else:
                if answer.status < 300 or answer.status in fine:
                    return answer.status, _json(answer, self.url)
                problem = f"HTTP {answer.status}"
                if answer.status not in _AGAIN:
                    raise _refused(answer, self.url)
                told = answer.headers.get("retry-after", "")
                wait_s = min(MAX_BATCH_WAIT_S, float(told)) if told.isdigit() else wait_s
            if attempt + 1 < BATCH_RETRIES:
                await self._clock.sleep(wait_s)
        raise Unavailable(self.url, problem)

    async def _once(self, method: str, path: str, body: Any) -> "HttpReply":
        content = b"" if body is None else json.dumps(body).encode()
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        return await self._asks.ask(
            method, f"{self.url}/{path}", headers=headers, body=content, max_bytes=MAX_BATCH_ANSWER_BYTES,
            within_s=BATCH_ANSWER_S,
        )  # fmt: skip


class KubernetesJobs:
    """A ``BatchSystem``: one namespace, whose API server keeps names apart."""

    def __init__(self, asks: "HttpAsks", clock: Clock, url: str, token: str, *, namespace: str = "default") -> None:
        self._place = _Place(asks, clock, url, {"Authorization": f"Bearer {token}"})
        self._jobs = f"apis/batch/v1/namespaces/{namespace}/jobs"

    async def ensure(self, job: "BatchJob", /) -> "BatchState":
        """A name that is taken is the same job, whoever made it."""
        from phalanx.allocation.batches import kubernetes_job, kubernetes_state

        manifest = kubernetes_job(job)
        for attempt in range(BATCH_RETRIES):
            try:
                status, made = await self._place.ask("POST", self._jobs, manifest, fine=frozenset({409}))
            except Unavailable:
                # The answer was lost, or the request: the name tells, so the same may be sent again.
                if attempt + 1 == BATCH_RETRIES:
                    raise
                continue
            return await self.state(job.name) if status == 409 else kubernetes_state(made)
        raise AssertionError("unreachable")

    async def state(self, name: str, /) -> "BatchState":
        from phalanx.allocation.batches import kubernetes_state

        status, found = await self._place.ask("GET", f"{self._jobs}/{name}", fine=frozenset({404}))
        if status == 404:
            raise NotFound("batch job", name)
        return kubernetes_state(found)

    async def load(self) -> "BatchLoad":
        from phalanx.allocation.batches import kubernetes_state, load_of

        _, found = await self._place.ask("GET", self._jobs, fine=frozenset())
        return load_of(kubernetes_state(one) for one in found.get("items", ()))

    async def cancel(self, name: str, /) -> None:
        path = f"{self._jobs}/{name}?propagationPolicy=Background"
        await self._place.ask("DELETE", path, fine=frozenset({404}))


class SlurmJobs:
    """A ``BatchSystem`` over slurmrestd, which authenticates by name and token (``auth/jwt``)."""

    def __init__(self, asks: "HttpAsks", clock: Clock, url: str, user: str, token: str) -> None:
        self._place = _Place(asks, clock, url, {"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": token})

    async def ensure(self, job: "BatchJob", /) -> "BatchState":
        """Looked for by name, then submitted, then looked for again: the first of a name stays."""
        from phalanx.allocation.batches import slurm_request

        request = slurm_request(job)
        for attempt in range(BATCH_RETRIES):
            if known := await self._named(job.name):
                return await self._first(known)
            try:
                _, answer = await self._place.ask("POST", f"{_SLURM_API}/job/submit", request, fine=frozenset())
            except Unavailable:
                if attempt + 1 == BATCH_RETRIES:
                    raise
                continue
            if errors := answer.get("errors"):
                raise InvalidInput("job", "; ".join(str(one.get("error") or one) for one in errors))
            return await self._first(await self._named(job.name))
        raise AssertionError("unreachable")

    async def state(self, name: str, /) -> "BatchState":
        return await self._first(await self._named(name), name)

    async def load(self) -> "BatchLoad":
        from phalanx.allocation.batches import load_of, slurm_state

        _, found = await self._place.ask("GET", f"{_SLURM_API}/jobs", fine=frozenset())
        return load_of(slurm_state(one) for one in found.get("jobs", ()))

    async def cancel(self, name: str, /) -> None:
        for one in await self._named(name):
            if not one.state.final:
                await self._drop(one.id)

    async def _first(self, known: "list[BatchState]", name: str = "") -> "BatchState":
        """The oldest; a later one of the same name, which two clients made at once, is cancelled before it begins."""
        if not known:
            raise NotFound("batch job", name)
        for one in known[1:]:
            if not one.state.final:
                await self._drop(one.id)
        return known[0]

    async def _named(self, name: str) -> "list[BatchState]":
        from phalanx.allocation.batches import slurm_state

        _, found = await self._place.ask("GET", f"{_SLURM_API}/jobs", fine=frozenset())
        # The controller forgets what has ended minutes ago; accounting, where there is some, does not.
        told, kept = await self._place.ask("GET", f"{_SLURM_DB}/jobs?job_name={name}", fine=frozenset({404, 500}))
        entries = [*(kept.get("jobs", ()) if told < 300 else ()), *found.get("jobs", ())]
        mine = {state.id: state for state in (slurm_state(one) for one in entries if one.get("name") == name)}
        return sorted(mine.values(), key=lambda one: int(one.id))

    async def _drop(self, job_id: str) -> None:
        await self._place.ask("DELETE", f"{_SLURM_API}/job/{job_id}", fine=frozenset({404}))


def _json(answer: "HttpReply", url: str) -> Any:
    if not answer.body:
        return {}
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise Unavailable(url, "what it answers is no JSON") from error
    if not isinstance(found, dict):
        raise Unavailable(url, "what it answers is no object")
    return found


def _refused(answer: "HttpReply", url: str) -> Exception:
    told = answer.body[:300].decode(errors="replace")
    if answer.status in {400, 422}:
        return InvalidInput("job", f"{url} refuses it: {told}")
    return Unavailable(url, f"HTTP {answer.status}: {told}")
