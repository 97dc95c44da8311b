"""An asyncio event loop that runs on virtual time and chooses what runs next from a seed.

Time stands still while anything can run and jumps to the next timer when nothing can, so an
hour of waiting costs nothing. Only in a very long burst of steps time creeps on, as it would in
reality: a task that polls cannot stop the world. Which of the runnable goes first, ``_ready``
says.

Tasks and futures hash by their serial number. asyncio keeps both in sets (``TaskGroup``,
``wait``), whose order would otherwise follow memory addresses and differ between runs. For
the same reason the cyclic collector, which may finalise generators and tasks, runs at fixed
steps only.

It implements ``AbstractEventLoop`` from asyncio's public parts, without ``BaseEventLoop``,
whose inner queues are private. Two names are not in asyncio's documentation:
``_set_running_loop``, which every loop must call and asyncio exports for that, and
``_timer_handle_cancelled``, which ``TimerHandle.cancel`` calls on its loop.
"""

import asyncio
import gc
import heapq
import sys
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from types import FrameType
from typing import Any, TypeVar, TypeVarTuple

from phalanx.core import Rng, ns_from_s
from phalanx.testing._errors import Deadlock, Livelock, NotSimulated, Unstoppable
from phalanx.testing._limits import BURST_STEPS, COLLECT_EVERY_STEPS, CREEP_S, MAX_SHUTDOWN_STEPS, MAX_STEPS
from phalanx.testing._ready import Ready, RunQueue
from phalanx.testing._trace import Trace

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

# Whose the running code is: a node's name, or "" for the world's own. New tasks inherit it.
OWNER: ContextVar[str] = ContextVar("owner", default="")

# Finished tasks are let go of, and cancelled timers thrown out, this many at a time.
_TIDY_EVERY = 256


class SimTask(asyncio.Task[T]):
    """A task that knows its place in the run and the node it belongs to."""

    def __init__(self, coro: Any, *, serial: int, owner: str, loop: "SimLoop", name: str, context: Context) -> None:
        self.serial = serial
        self.owner = owner
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self.serial


class SimFuture(asyncio.Future[T]):
    """A future that hashes alike in every run."""

    def __init__(self, *, serial: int, loop: "SimLoop") -> None:
        self.serial = serial
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.serial


class SimLoop(asyncio.AbstractEventLoop):
    """See the module. ``trace`` has what happened, ``failures`` what nobody caught."""

    def __init__(self, rng: Rng, *, max_steps: int = MAX_STEPS) -> None:
        self.trace = Trace(self.now_ns)
        self.steps = 0
        self.failures: list[dict[str, Any]] = []
        self._max_steps = max_steps
        self._now_s = 0.0
        self._burst_steps = 0
        self._serial = 0
        self._ready = RunQueue(rng.random)
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Ready]] = []
        self._cancelled_timers = 0
        self._tasks: list[SimTask[Any]] = []
        self._generators: weakref.WeakValueDictionary[int, AsyncGenerator[Any, Any]] = weakref.WeakValueDictionary()
        self._running = self._closed = False
        self._handler: ExceptionHandler | None = None

    def time(self) -> float:
        return self._now_s

    def now_ns(self) -> int:
        """Nanoseconds of virtual time since the world began."""
        return ns_from_s(self._now_s)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        context = copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.add(Ready(handle, callback, args, context, _step_of(callback)))
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        # There is no second thread to be safe from: run_in_executor, asyncio's only way to one, is refused.
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = copy_context() if context is None else context
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, self._next_serial(), handle, Ready(handle, callback, args, context, 0)))
        return handle

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        self._cancelled_timers += 1
        if self._cancelled_timers > max(_TIDY_EVERY, len(self._timers) // 2):
            self._timers = [timer for timer in self._timers if not timer[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def _turn(self) -> None:
        """Run one task step or callback, or move time to the next timer."""
        while self._timers and self._timers[0][0] <= self._now_s:
            self._ready.add(heapq.heappop(self._timers)[3])
        if not self._ready:
            self._jump()
            return
        if self.steps >= self._max_steps:
            raise Livelock(steps=self.steps, at_s=self._now_s)
        self.steps += 1
        self._burst_steps += 1
        if self._burst_steps > BURST_STEPS:
            self._now_s += CREEP_S
        if self.steps % COLLECT_EVERY_STEPS == 0:
            gc.collect()
        ready = self._ready.take()
        if ready.handle.cancelled():
            return
        self.trace.fold_pick(ready.step_of)
        try:
            ready.context.run(ready.callback, *ready.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a loop outlives whatever its callbacks raise
            failure = {"message": f"callback {ready.callback!r} failed", "exception": error}
            self.call_exception_handler(failure | {"owner": ready.context.get(OWNER, "")})

    def _jump(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise Deadlock(tuple(describe(task) for task in self.tasks()), at_s=self._now_s)
        self._now_s = max(self._now_s, self._timers[0][0])
        self._burst_steps = 0

    def create_future(self) -> asyncio.Future[Any]:
        return SimFuture(serial=self._next_serial(), loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        context = copy_context() if context is None else context
        serial = self._next_serial()
        owner = context.get(OWNER, "")
        title = f"task-{serial}" if name is None else str(name)
        task: SimTask[T] = SimTask(coro, serial=serial, owner=owner, loop=self, name=title, context=context)
        self._tasks.append(task)
        if len(self._tasks) % _TIDY_EVERY == 0:
            self._tasks = self.tasks()
        return task

    def tasks(self, owner: str | None = None) -> list[SimTask[Any]]:
        """Tasks that are not done, oldest first; those of one node, or all."""
        return [task for task in self._tasks if not task.done() and owner in (None, task.owner)]

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        with self._entered():
            task: asyncio.Future[T] = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]
            while not task.done():
                self._turn()
        return task.result()

    def shut_down(self) -> None:
        """Cancel what still runs and let it clean up; raises Unstoppable if it will not stop."""
        self._max_steps = self.steps + MAX_SHUTDOWN_STEPS
        while live := self.tasks():
            for task in live:
                task.cancel()
            try:
                with self._entered():
                    while not all(task.done() for task in live):
                        self._turn()
            except (Deadlock, Livelock) as error:
                raise Unstoppable(tuple(describe(task) for task in live if not task.done())) from error
        self.run_until_complete(self.shutdown_asyncgens())
        self._tasks.clear()
        # A task whose failure nobody looked at reports it when it is freed. The collector was off
        # since the run began, so all that it left is in the youngest generation.
        gc.collect(0)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        if self._running or self._closed:
            raise RuntimeError("this loop is closed, or running already")
        hooks = sys.get_asyncgen_hooks()
        collects = gc.isenabled()
        self._running = True
        gc.disable()
        sys.set_asyncgen_hooks(firstiter=self._generator_started, finalizer=self._generator_dropped)
        asyncio._set_running_loop(self)  # noqa: SLF001 - exported for loops, see the module
        try:
            yield
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001
            sys.set_asyncgen_hooks(*hooks)
            if collects:
                gc.enable()
            self._running = False

    def _generator_started(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators[self._next_serial()] = generator

    def _generator_dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        self.call_soon(self.create_task, generator.aclose())

    async def shutdown_asyncgens(self) -> None:
        for generator in list(self._generators.values()):
            await generator.aclose()

    async def shutdown_default_executor(self) -> None:
        pass

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:  # noqa: FBT001 - asyncio's signature
        pass

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        self._handler = handler

    def get_exception_handler(self) -> ExceptionHandler | None:
        return self._handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._handler is None:
            self.default_exception_handler(context)
        else:
            self._handler(self, context)

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:  # noqa: ARG002
        raise NotSimulated("threads", instead="the injected Offload")

    def run_forever(self) -> None:
        raise NotSimulated("run_forever", instead="run_until_complete: a run that never ends has no result")


def new_loop(rng: Rng, *, max_steps: int = MAX_STEPS) -> SimLoop:
    """A loop; sockets, pipes, signals and subprocesses are left unimplemented on purpose."""
    return SimLoop(rng, max_steps=max_steps)  # type: ignore[abstract]


def _step_of(callback: Callable[..., object]) -> int:
    """The task whose step asyncio schedules here; a ``task.cancel`` given to the loop is none."""
    owner = getattr(callback, "__self__", None)
    return owner.serial if isinstance(owner, SimTask) and callback != owner.cancel else 0


def owner_of(failure: dict[str, Any]) -> str:
    """The node that an exception handler's context tells of."""
    task = failure.get("task") or failure.get("future")
    return str(failure.get("owner", getattr(task, "owner", "")))


def describe(task: asyncio.Task[Any]) -> str:
    """A task's name and where it stands, outermost call first, for people who debug a run."""
    calls: list[str] = []
    inner: Any = task.get_coro()
    while (frame := _part(inner, "cr_frame", "ag_frame", "gi_frame")) is not None:
        assert isinstance(frame, FrameType)
        calls.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        inner = _part(inner, "cr_await", "ag_await", "gi_yieldfrom")
    return f"{task.get_name()} in {' > '.join(calls) or 'nothing yet'}"


def _part(awaited: Any, *names: str) -> Any:
    """The first of an awaitable's attributes that is there: its kind decides what they are called."""
    return next((found for name in names if (found := getattr(awaited, name, None)) is not None), None)
