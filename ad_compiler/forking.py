"""What a process does that has been forked off.

Of all threads it has the one that forked. A lock that another thread held would be held for good: so it gets
new ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable


def in_forked_process(action: Callable[[], None]) -> None:
    """Have this done first in every process that is forked off from now on."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)
