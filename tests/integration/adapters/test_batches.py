"""Slurm and Kubernetes as they behave, over real sockets: throttled, lost, broken and started again."""

import asyncio
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from phalanx.adapters import HttpAsker, KubernetesJobs, LocalBatches, SlurmJobs
from phalanx.allocation.batches import BatchJob, BatchLoad, sbatch_script, slurm_state
from phalanx.allocation.routing import Aims
from phalanx.core import InvalidInput, NotFound, Unavailable
from phalanx.devices import JobState
from phalanx.node import build_node, load_settings, open_ports

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
    if not name:
        return 200, {"kind": "JobList", "apiVersion": "batch/v1", "items": scheduler.jobs}
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


@pytest.mark.requirement("QRM-10", "QRM-11")
def test_schedulers_say_how_much_waits_and_runs_there(rig):
    scheduler, _, system, _ = rig

    async def main():
        assert await system.load() == BatchLoad()
        for name in ("a", "b", "c"):
            await system.ensure(BatchJob(name=name, command=("x",), image="i"))
        scheduler.jobs[0]["status"], scheduler.jobs[0]["job_state"] = {"active": 1}, ["RUNNING"]
        done = {"conditions": [{"type": "Complete", "status": "True"}]}
        scheduler.jobs[1]["status"], scheduler.jobs[1]["job_state"] = done, ["COMPLETED"]
        assert await system.load() == BatchLoad(pending=1, running=1)
        scheduler.trouble = [403]
        with pytest.raises(Unavailable, match="403"):
            await system.load()

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


@contextlib.asynccontextmanager
async def node_with(folder, hpc, cloud, **more):
    """A node that has this machine, a Slurm and a Kubernetes to choose from."""
    token = folder / "token"
    if not token.exists():
        token.write_text("secret\n")
        token.chmod(0o600)
    places = [
        {"name": "hpc", "type": "slurm", "url": hpc.url, "user": "lab", "token_file": str(token), "start_s": 5.0,
         "speed": 10.0, "slots": 2},
        {"name": "cloud", "type": "kubernetes", "url": cloud.url, "token_file": str(token), "image": "lab/solver:3",
         "start_s": 1.0, "speed": 2.0, "cpu_hour": 0.1},
    ]  # fmt: skip
    flags = {
        "node.data_dir": folder / "node", "agents.per_role": 1, "allocation.local_commands": "sh",
        "allocation.places": json.dumps(places), **more,
    }  # fmt: skip
    settings = load_settings(file=None, environ={}, flags=flags).settings
    async with open_ports(settings) as ports, build_node(settings, ports) as node:
        yield node


async def ended(batches, name):
    while True:
        found = await batches.get(name)
        if found.state.state.final:
            return found
        await asyncio.sleep(0.02)


@pytest.mark.requirement("QRM-10", "QRM-11")
def test_a_node_routes_batch_jobs_to_itself_to_slurm_or_to_kubernetes_each_once(tmp_path):
    aims, hurried = Aims(worth=10.0, hour=10.0), Aims(worth=10.0, hour=100.0)
    slurm_jobs, cloud_jobs = Scheduler(), Scheduler()
    short = BatchJob(name="short", command=("sh", "-c", "echo oh >&2; exit 3"))
    long = BatchJob(name="long", command=("solve",), image="lab/solver:4")
    with contextlib.ExitStack() as stack:
        hpc = stack.enter_context(contextlib.closing(Server(slurm_jobs, slurm)))
        cloud = stack.enter_context(contextlib.closing(Server(cloud_jobs, kubernetes)))

        async def first_life():
            async with node_with(tmp_path, hpc, cloud) as node:
                batches = node.batches
                made = await batches.submit(short, 0.5, aims)
                assert (made.record.place, made.routed.name) == ("local", "local")
                failed = await ended(batches, "short")
                assert (failed.state.state, failed.state.exit_code, failed.state.reason) == (JobState.FAILED, 3, "oh")
                good = BatchJob(name="good", command=("sh", "-c", 'test "$X" = 7'), environment={"X": "7"})
                await batches.submit(good, 0.5, aims)
                assert (await ended(batches, "good")).state.state is JobState.COMPLETED
                endless = BatchJob(name="endless", command=("sh", "-c", "sleep 1000"))
                await batches.submit(endless, 0.5, aims)
                assert (await batches.cancel("endless")).state.state is JobState.CANCELLED

                made = await batches.submit(long, 600.0, aims)
                assert made.record.place == "hpc"
                assert "no setting allows it" in {one.way.name: one.reason for one in made.routed.ways}["local"]
                assert [one["name"] for one in slurm_jobs.jobs] == ["long"]
                again = await batches.submit(long, 600.0, aims)
                assert (again.routed, again.record.state.id) == (None, made.record.state.id)
                with pytest.raises(InvalidInput, match="another job"):
                    await batches.submit(BatchJob(name="long", command=("other",)), 600.0, aims)
                slurm_jobs.jobs[0]["job_state"] = ["RUNNING"]
                for n in range(40):
                    slurm_jobs.add({"name": f"other-{n}", "job_state": ["PENDING"]})
                made = await batches.submit(BatchJob(name="full", command=("solve",)), 600.0, hurried)
                assert made.record.place == "cloud", "the queue of Slurm is long"
                sent = cloud_jobs.jobs[0]["spec"]["template"]["spec"]["containers"][0]
                assert (sent["image"], sent["command"]) == ("lab/solver:3", ["solve"])
                slurm_jobs.trouble = [401] * 9
                told = await batches.route(BatchJob(name="x", command=("solve",)), 600.0, aims)
                assert told.name == "cloud"
                assert "cannot be asked" in {one.way.name: one.reason for one in told.ways}["hpc"]
                slurm_jobs.trouble = []
                await batches.submit(BatchJob(name="left", command=("sh", "-c", "sleep 1000")), 0.5, aims)

        async def second_life():
            async with node_with(tmp_path, hpc, cloud) as node:
                slurm_jobs.jobs[0]["job_state"] = ["COMPLETED"]
                assert (await node.batches.get("long")).state.state is JobState.COMPLETED
                assert (await node.batches.submit(long, 600.0, aims)).record.place == "hpc"
                assert sum(one["name"] == "long" for one in slurm_jobs.jobs) == 1
                assert "node stopped" in (await node.batches.get("left")).state.reason
                cloud_jobs.jobs[0]["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "OOM"}]}
                assert (await node.batches.get("full")).state.reason == "OOM"
                assert {one.job.name for one in await node.batches.newest(limit=10)} == {
                    "short", "good", "endless", "long", "full", "left"
                }  # fmt: skip
                with pytest.raises(NotFound):
                    await node.batches.get("nobody")
                with pytest.raises(Unavailable, match="no place is left"):
                    await node.batches.submit(BatchJob(name="huge", command=("solve",), cpus=1_000), 1.0, aims)

        asyncio.run(first_life())
        asyncio.run(second_life())


@pytest.mark.requirement("QRM-11")
def test_on_this_machine_only_what_is_named_is_run_and_not_longer_than_it_may():
    async def main():
        system = LocalBatches(("sh", "no-such-command"), 1)
        with pytest.raises(InvalidInput, match="none that may be run"):
            await system.ensure(BatchJob(name="x", command=("rm", "-rf", "x")))
        with pytest.raises(NotFound):
            await system.state("x")
        await system.ensure(BatchJob(name="slow", command=("sh", "-c", "sleep 1000"), limit_s=1))
        waiting = await system.ensure(BatchJob(name="second", command=("sh", "-c", "sleep 1000")))
        assert waiting.state is JobState.QUEUED
        await system.cancel("second")
        await system.cancel("nobody")
        assert (await system.state("second")).state is JobState.CANCELLED
        missing = BatchJob(name="missing", command=("no-such-command",))
        await system.ensure(missing)
        found = waiting
        while not found.state.final:
            await asyncio.sleep(0.02)
            found = await system.state("missing")
        assert found.state is JobState.FAILED
        assert "no-such-command" in found.reason
        assert "longer than 1 s" in (await system.state("slow")).reason
        await system.close()

    asyncio.run(main())
