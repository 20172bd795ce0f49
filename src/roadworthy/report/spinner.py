"""The live line of a step that takes long, on a terminal: what is being done, and for how many seconds.

With `table`, several lines: those that it says for the frame and the phrase of the moment.

It draws in a thread of its own and begins only after PATIENCE, so a step that is quick never waits for rich to
be imported. Whoever prints while it draws must hold `lock` and print through `write`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.live import Live

Table = Callable[[str, str], list[str]]
PATIENCE: Final = 0.15  # seconds
_EACH: Final = 0.1
_DOTS: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_LINE: Final = "-\\|/"


class Spinner:
    """Draws `text` on `stream` from `start` to `stop`. `say` sets what stands behind it."""

    def __init__(
        self, stream: TextIO, text: str, *, colour: bool, unicode: bool, table: Table | None = None
    ) -> None:
        self.lock = threading.Lock()
        self._stream, self._text, self._colour = stream, text, colour
        self._frames = _DOTS if unicode else _LINE
        self._phrase = ""
        self._table = table
        self._live: Live | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._began = time.monotonic()

    def start(self) -> None:
        """Begin to wait, and after PATIENCE to draw."""
        self._thread.start()

    def stop(self) -> None:
        """Take the line away."""
        self._done.set()
        self._thread.join()

    def say(self, phrase: str) -> None:
        """What is being done at the moment."""
        self._phrase = phrase

    def write(self, painted: str) -> None:
        """Print a line; above the live line when that is there. The caller holds `lock`."""
        if self._live is None:
            self._stream.write(painted + "\n")
        else:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(painted), soft_wrap=True)

    def _draw(self) -> None:
        if self._done.wait(PATIENCE):
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        console = Console(file=self._stream, force_terminal=True, no_color=not self._colour, highlight=False)
        live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone: nobody looks any more
            with self.lock:
                live.start()
                self._live = live
            while True:
                seconds = time.monotonic() - self._began
                frame = self._frames[int(seconds / _EACH) % len(self._frames)]
                said = f"  {frame} {self._text} {seconds:.1f} s  {self._phrase}"
                if self._table:
                    said = "\n".join(self._table(frame, self._phrase))
                live.update(Text(said, no_wrap=True, overflow="ellipsis"), refresh=True)
                if self._done.wait(_EACH):
                    break
        with self.lock, contextlib.suppress(OSError, ValueError):
            self._live = None
            live.stop()
