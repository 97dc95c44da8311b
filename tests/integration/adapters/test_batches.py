"""Slurm and Kubernetes as they behave, over real sockets: throttled, lost, broken and started again."""

import asyncio
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from phalanx.adapters import HttpAsker, KubernetesJobs, SlurmJobs
from phalanx.allocation.batches import BatchJob, sbatch_script, slurm_state
from phalanx.core import InvalidInput, NotFound, Unavailable
from phalanx.devices import JobState

JOB = BatchJob(name="nightly-1", command=("solve", "--for", "a b"), image="lab/solver:3", environment={"SEED": "4 2"})


class Scheduler:
    """What outlives its server. ``trouble`` is what happens to the next requests, one after another."""

    def __init__(self):
        self.jobs, self.trouble, self.seen, self.accounting = [], [], [], True

    def add(self, entry):
        self.jobs.append({"job_id": 100 + len(self.jobs), **entry})
        return self.jobs[-1]


class Server:
    """One life of a server over a scheduler."""

    def __init__(self, scheduler, handle):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                scheduler.seen.append((self.command, self.path, dict(self.headers)))
                trouble = scheduler.trouble.pop(0) if scheduler.trouble else None
                if isinstance(trouble, int):
                    return self.answer(trouble, {"message": "later"}, {"Retry-After": "3"})
                if trouble == "lost request":
                    return self.connection.close()
                status, found = handle(scheduler, self.command, self.path, json.loads(body) if body else None)
                if trouble == "lost answer":
                    return self.connection.close()
                return self.answer(status, found)

            do_GET = do_POST = do_DELETE = do  # noqa: N815

            def answer(self, status, found, headers=None):
                content = json.dumps(found).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def kubernetes(scheduler, method, path, body):
    name = path.partition("?")[0].rpartition("/jobs")[2].strip("/")
    known = {one["metadata"]["name"]: one for one in scheduler.jobs}
    if method == "POST":
        if body["metadata"]["name"] in known:
            return 409, {"kind": "Status", "reason": "AlreadyExists"}
        assert body["apiVersion"] == "batch/v1"
        assert body["spec"]["template"]["spec"]["restartPolicy"] == "Never"
        return 201, scheduler.add({"status": {}, **body})
    if name not in known:
        return 404, {"kind": "Status", "reason": "NotFound"}
    if method == "DELETE":
        scheduler.jobs.remove(known[name])
    return 200, known[name]


def slurm(scheduler, method, path, body):
    if method == "POST":
        assert path == "/slurm/v0.0.40/job/submit"
        if body["script"].startswith("#!") and body["job"]["environment"]:
            made = scheduler.add({"name": body["job"]["name"], "job_state": ["PENDING"], "sent": body})
            return 200, {"job_id": made["job_id"], "step_id": "batch", "errors": [], "warnings": []}
        return 200, {"errors": [{"error": "Batch job environment empty"}], "warnings": []}
    if method == "DELETE":
        job_id = int(path.rpartition("/")[2])
        (one,) = [job for job in scheduler.jobs if job["job_id"] == job_id]
        one["job_state"] = ["CANCELLED"]
        return 200, {"errors": []}
    if path.startswith("/slurmdb/"):
        if not scheduler.accounting:
            return 500, {"errors": [{"error": "no slurmdbd"}]}
        old = [
            {"job_id": one["job_id"], "name": one["name"], "state": {"current": one["job_state"]}}
            for one in scheduler.jobs
        ]
        return 200, {"jobs": old}
    return 200, {"jobs": [one for one in scheduler.jobs if not one.get("forgotten")], "errors": []}


class Hurried:
    """A clock on which nobody waits; it remembers for how long they would have."""

    def __init__(self):
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)


MADE = {
    "kubernetes": (kubernetes, lambda asks, clock, url: KubernetesJobs(asks, clock, url, "secret")),
    "slurm": (slurm, lambda asks, clock, url: SlurmJobs(asks, clock, url, "lab", "secret")),
}


@pytest.fixture(params=sorted(MADE))
def rig(request):
    handle, make = MADE[request.param]
    scheduler, clock = Scheduler(), Hurried()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.closing(Server(scheduler, handle)))
        asks = stack.enter_context(contextlib.closing(HttpAsker()))

        def again():
            other = stack.enter_context(contextlib.closing(Server(scheduler, handle)))
            return make(asks, clock, other.url)

        yield scheduler, clock, make(asks, clock, server.url), again


@pytest.mark.requirement("QRM-11")
@pytest.mark.parametrize(
    "trouble",
    [[], ["lost answer"], ["lost request", "lost answer"], [429], [503, 429], [None, "lost answer"],
     [None, None, "lost answer"], [None, None, 503]],
)  # fmt: skip
def test_a_job_is_there_once_whatever_is_lost_and_whoever_asks_again(rig, trouble):
    scheduler, clock, system, again = rig

    async def main():
        scheduler.trouble = list(trouble)
        first = await system.ensure(JOB)
        assert first.state is JobState.QUEUED
        assert (await system.ensure(JOB)).id == first.id
        assert (await again().ensure(JOB)).id == first.id, "another life of client and server"
        assert len(scheduler.jobs) == 1
        if 429 in trouble:
            assert 3.0 in clock.slept, "as late as it was told to"

    asyncio.run(main())


@pytest.mark.requirement("QRM-11")
def test_states_are_those_of_qrmi_and_jobs_are_cancelled(rig):
    scheduler, _, system, _ = rig

    async def main():
        with pytest.raises(NotFound):
            await system.state("nobody")
        await system.cancel("nobody")
        await system.ensure(JOB)
        (job,) = scheduler.jobs
        for status, states, expected in (
            ({"active": 1}, ["RUNNING"], JobState.RUNNING),
            ({"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}, ["TIMEOUT"],
             JobState.FAILED),
            ({"conditions": [{"type": "Complete", "status": "True"}]}, ["COMPLETED"], JobState.COMPLETED),
        ):  # fmt: skip
            job["status"], job["job_state"] = status, states
            assert (await system.state(JOB.name)).state is expected
        job["status"], job["job_state"] = {}, ["PENDING"]
        await system.cancel(JOB.name)
        assert not scheduler.jobs or scheduler.jobs[0]["job_state"] == ["CANCELLED"]

    asyncio.run(main())


def test_a_server_that_stays_away_and_one_that_refuses(rig):
    scheduler, clock, system, _ = rig

    async def main():
        scheduler.trouble = [503] * 40
        with pytest.raises(Unavailable, match="503"):
            await system.state("x")
        assert len(clock.slept) < 10
        scheduler.trouble = [401]
        with pytest.raises(Unavailable, match="401"):
            await system.state("x")
        scheduler.trouble = [] if scheduler.jobs else [None] * 0
        assert "secret" in str(scheduler.seen[-1][2])

    asyncio.run(main())


def test_of_two_that_slurm_took_under_one_name_the_first_stays():
    scheduler, clock = Scheduler(), Hurried()
    with contextlib.closing(Server(scheduler, slurm)) as server, contextlib.closing(HttpAsker()) as asks:
        system = SlurmJobs(asks, clock, server.url, "lab", "secret")

        async def main():
            for _ in range(2):
                scheduler.add({"name": JOB.name, "job_state": ["PENDING"]})
            assert (await system.ensure(JOB)).id == "100"
            assert scheduler.jobs[1]["job_state"] == ["CANCELLED"]
            # The controller forgets; accounting does not.
            scheduler.jobs[0].update(job_state=["COMPLETED"], forgotten=True)
            scheduler.jobs[1]["forgotten"] = True
            assert (await system.ensure(JOB)).state is JobState.COMPLETED
            assert len(scheduler.jobs) == 2
            scheduler.accounting = False
            assert (await system.ensure(JOB)).id == "102", "without accounting it is a name that nobody knows"

        asyncio.run(main())


def test_the_script_for_sbatch_quotes_and_names_its_qpus():
    job = BatchJob(
        name="sampler-1", command=("python", "s.py", "it's; rm -rf /"), environment={"X": "$HOME"}, qpus=("heron",)
    )
    script = sbatch_script(job)
    assert "#SBATCH --qpu=heron\n" in script
    assert "#SBATCH --dependency=singleton\n" in script
    assert """exec python s.py 'it'"'"'s; rm -rf /'""" in script
    assert "export X='$HOME'" in script
    for bad in ({"name": "A b"}, {"command": ()}, {"environment": {"A-B": ""}}, {"cpus": 0}, {"qpus": ("a b",)}):
        with pytest.raises(InvalidInput):
            BatchJob(**({"name": "x", "command": ("y",)} | bad))
    assert slurm_state({"job_id": 1, "job_state": ["NODE_FAIL"]}).state is JobState.FAILED
    assert slurm_state({"job_id": 1, "state": {"current": ["CANCELLED by 7"]}}).state is JobState.CANCELLED
