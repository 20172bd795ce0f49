"""How long the sandbox waits for what, in seconds; the defaults are those of a hosted platform."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """One value for the router and the instances of an app, so a test can shorten what a person waits for."""

    first_byte: float = 30.0
    """From the end of a request to the first byte of its response (H12)."""
    idle: float = 55.0
    """Between two bytes of a request or response that has begun (H15, H28)."""
    keep_alive: float = 90.0
    """For the next request on a client's connection."""
    connect: float = 5.0
    """For an instance to accept a connection."""
    drain: float = 30.0
    """For requests in flight when an instance stops getting new ones."""
    grace: float = 10.0
    """From SIGTERM to SIGKILL (R12)."""
    stable: float = 60.0
    """A process that was up this long starts its next life without back-off."""
    backoff: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
    """Before the first, second, … restart in a row; the last one repeats."""
