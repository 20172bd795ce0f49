"""Whether an app that answers "not now" may still come: not when no process is there to answer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ..errors import RoadworthyError
from ..model import Observed

if TYPE_CHECKING:
    from ..world import World

LOOK_AGAIN: Final = 1.0  # seconds that one look at the platform is good for, whichever check asks


class Patience:
    """Call it with a component ("" is the first): why its app cannot answer any more, "" while it may.

    It may be called from several threads. When the platform cannot be asked, nobody knows better: it may.
    """

    def __init__(self, context: World, environment: str) -> None:
        self._context, self._apps = context, context.config.apps(environment)
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, str]] = {}

    def __call__(self, component: str) -> str:
        """Why the component's app cannot answer any more; "" while it may."""
        with self._lock:
            at, words = self._seen.get(component, (0.0, ""))
            if not at or time.monotonic() - at > LOOK_AGAIN:
                words = self._look(component)
                self._seen[component] = time.monotonic(), words
            return words

    def _look(self, component: str) -> str:
        app = self._apps[component] if component else next(iter(self._apps.values()))
        try:
            return over(self._context.platform.observe(app))
        except RoadworthyError:
            return ""


def over(observed: Observed) -> str:
    """Why an app that looks like this will not answer by itself; "" when it may."""
    if observed.maintenance:
        return "its app is in maintenance mode"
    states = [one.state for one in observed.processes if one.type == "web"]
    if not states:
        return "it has no web process"
    if all(state in ("crashed", "down") for state in states):
        return f"its web process is {states[0]}"
    return ""
