"""Named points between two steps, where tests end the process.

``LLMO_BULK_KILL=sent:2`` kills the process the second time it comes to the point ``sent``, as hard
as a power cut would; ``LLMO_BULK_POINTS=path`` appends the name of each point that is passed to a
file. Without either a point costs nothing.
"""

import os
import signal
from pathlib import Path

_NAME, _, _TIMES = os.environ.get("LLMO_BULK_KILL", "").partition(":")
_FILE = os.environ.get("LLMO_BULK_POINTS", "")
_passed = 0


def point(name: str) -> None:
    """Pass the point of this name."""
    if _FILE:
        with Path(_FILE).open("a", encoding="ascii") as file:
            file.write(f"{name}\n")
    if name == _NAME:
        global _passed  # noqa: PLW0603 - one count for the process, as one process is killed
        _passed += 1
        if _passed >= int(_TIMES or 1):
            os.kill(os.getpid(), signal.SIGKILL)
