"""Notices when one task holds the event loop, and says which and where, while it still does."""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable

Tell = Callable[[str, float, str], None]

# Frames that tell where a task is: the innermost ones.
_FRAMES = 3


class LoopWatch:
    """A thread that knocks at the event loop. A knock that is not answered for ``limit_s`` is looked into.

    What it finds (the task's name, for how many seconds, the innermost calls) is told on the loop, once it is free
    again. A loop that waits for the operating system is not held: then no task is running.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self._answered = threading.Event()
        self._stop = threading.Event()
        # Set once somebody was seen holding the loop.
        self.looked = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, limit_s: float, tell: Tell) -> None:
        self._thread = threading.Thread(target=self._run, args=(limit_s, tell), name="phalanx-loop-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, limit_s: float, tell: Tell) -> None:
        while not self._stop.wait(limit_s):
            self._answered.clear()
            asked = time.monotonic()
            if not self._call(self._answered.set):
                return
            if self._answered.wait(limit_s):
                continue
            name, where = self._seen()
            if name:
                self.looked.set()
            while not self._answered.wait(limit_s):
                if self._stop.is_set():
                    return
            held_s = time.monotonic() - asked
            if name:
                self._call(tell, name, held_s, where)

    def _call(self, callback: Callable[..., None], *args: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            # The loop is closed, and nobody is there to be told.
            return False
        return True

    def _seen(self) -> tuple[str, str]:
        """The task that runs at this moment and where it is; empty when there is none."""
        task = asyncio.current_task(self._loop)
        frame = sys._current_frames().get(self._ident)  # noqa: SLF001 - documented, and there is no other way to look
        if task is None or frame is None:
            return "", ""
        calls = traceback.extract_stack(frame)[-_FRAMES:]
        return task.get_name(), " > ".join(
            f"{one.name} ({one.filename.rpartition('/')[2]}:{one.lineno})" for one in calls
        )
