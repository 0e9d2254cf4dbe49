"""Named points between two steps, where tests end the process.

``LLMO_BULK_KILL=sent:2`` kills the process the second time it comes to the point ``sent``, as hard
as a power cut would. Without it a point costs nothing.
"""

import os
import signal

_armed: dict[str, int] = {}


def arm(spec: str) -> None:
    """Kill this process at a point: its name and, after a colon, at which time of passing it."""
    name, _, times = spec.partition(":")
    _armed.clear()
    if name:
        _armed[name] = int(times or 1)


def crash_point(name: str) -> None:
    """Pass the point of this name."""
    if name in _armed:
        _armed[name] -= 1
        if _armed[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("LLMO_BULK_KILL", ""))
