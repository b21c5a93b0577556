"""The life of the demo's processes: nothing outlives the command that started it, however that ends (Linux only).

Two processes watch each other. The `guard` is what the user started; the worker does the work. Each adopts whatever
its descendants leave behind. A guard whose worker ended, even by SIGKILL, ends all that is left; a worker whose guard
ended is told by the kernel and ends in order. The worker has a session of its own, so that a signal to the whole
group of the guard does not hit both.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_GUARD = "TENDER_SYNC_DEMO_GUARD"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# mongod writes a checkpoint before it ends; Airflow's processes end their children.
GRACE_SECONDS = 15.0
_POLL_SECONDS = 0.2


class Stopped(BaseException):
    """The user asked for an end, or the guard has ended. No Exception, so that no handler takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def guard(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the worker `command`, and end whatever it leaves behind; returns its exit code.

    The worker is told to stop when this process is, and when the process that started this one ends.
    """
    _adopt_orphans()
    starter = os.getppid()
    worker = subprocess.Popen(command, env={**environment, _GUARD: str(os.getpid())}, start_new_session=True)
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None = None) -> None:
        received.append(number)
        worker.terminate()

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    code = None
    while code is None:
        try:
            code = worker.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if os.getppid() != starter and not received:
                stop(signal.SIGTERM)
    end_descendants()
    if received:
        return 128 + received[0]
    return code if code >= 0 else 128 - code


def become_worker() -> None:
    """Make this process a worker: the first signal to stop raises `Stopped`, and so does the end of its guard."""
    _adopt_orphans()
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.environ.pop(_GUARD, str(os.getppid())) != str(os.getppid()):
        raise Stopped(signal.SIGTERM)


def _stop(number: int, _frame: FrameType | None) -> None:
    # Only once: the cleaning up that follows must not be interrupted.
    for other in STOP_SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)


def end(*processes: subprocess.Popen[bytes], grace: float = GRACE_SECONDS) -> None:
    """End processes, all at the same time, and wait for them: SIGTERM, after `grace` seconds SIGKILL."""
    deadline = time.monotonic() + grace
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_descendants(grace: float = GRACE_SECONDS) -> None:
    """End every descendant of this process, also of other sessions, and wait until none is left."""
    deadline = time.monotonic() + grace
    told: set[int] = set()
    while left := _descendants(os.getpid()):
        late = time.monotonic() > deadline
        for pid in left if late else left - told:
            _send(pid, signal.SIGKILL if late else signal.SIGTERM)
        told |= left
        _bury()
        time.sleep(0.05)


def _descendants(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.add(child)
            waiting.append(child)
    return found


def _parent(entry: Path) -> int | None:
    try:
        status = (entry / "stat").read_text(errors="replace")
    except OSError:
        return None  # it has just ended
    # pid (command) state parent …; the command may hold anything, blanks and brackets included.
    return int(status.rpartition(")")[2].split()[1])


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended already


def _bury() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return  # no children at all


def _adopt_orphans() -> None:
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}, {value}): {os.strerror(error)}")
