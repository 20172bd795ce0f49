"""The screen: what a person sees while a command runs.

Invariants:

- With `json=True` everything for people goes to stderr, and stdout carries the one JSON object of `emit`.
- Elsewhere results go to stdout, and what went wrong (`wrong`) to stderr: a refusal, a failed check, a bad end.
- Text from outside cannot act on the terminal, nor begin a line of its own at the left edge (see plain.py).
- Colour and live lines appear on a terminal only, never when NO_COLOR or TERM=dumb say otherwise (NO_COLOR
  still lets the live line spin). What a stream cannot encode becomes ASCII.
- A reader that goes away (`| head`) does not end a release half-way: the screen falls silent instead.
- `log` gets every line as well, without escape codes and unwrapped.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, TextIO

from .plain import plain, plain_lines

if TYPE_CHECKING:
    from .board import Board
    from .spinner import Spinner, Table

_BOLD, _DIM, _RED, _GREEN, _YELLOW = "1", "2", "31", "32", "33"
_WELL, _BADLY, _UNKNOWN = ("✓", "ok", _GREEN), ("✗", "FAIL", _RED), ("?", "??", _YELLOW)
_SKIPPED: Final = ("–", "-", _DIM)
_MARKS: Final = {
    "succeeded": _WELL,
    "failed": _BADLY,
    "refused": _BADLY,
    "unknown": _UNKNOWN,
    "superseded": _SKIPPED,
}
_WRONG: Final = ("failed", "refused", "unknown")
_ORDER: Final = ("refuse", "not asked", "pass", "n/a")
_FOLDED: Final = {"pass": "passed", "n/a": "do not apply"}
_VERDICTS: Final = {"pass": _WELL, "refuse": _BADLY, "n/a": _SKIPPED, "not asked": _UNKNOWN}
_ASCII: Final = str.maketrans({"…": "...", "·": "-", "–": "-", "—": "-", "→": "->", "✓": "ok", "✗": "x"})

Part = tuple[str, str]  # text, and the SGR code it is painted with ("" for none)


class Step:
    """A step that is being shown: call it to say what it is at, and `fail` it where no exception ends it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.failed = False

    def __call__(self, phrase: str) -> None:
        """Show what the step is doing now."""
        self._say(phrase)

    def fail(self, problem: object = True) -> None:
        """Mark the step as failed if there is a `problem`; what is empty or false is none."""
        self.failed = self.failed or bool(problem)


class Screen:
    """`stream` is where people look (by default stdout, or stderr with `json`); `log` gets a plain copy.

    `verbose` shows the guards that pass one by one.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        stream: TextIO | None = None,
        log: TextIO | None = None,
        verbose: bool = False,
    ) -> None:
        self.json, self.log, self.verbose = json, log, verbose
        # A stream that was closed before we began is None.
        self._stream = stream or (not json and sys.stdout) or sys.stderr or StringIO()
        terminal = bool(getattr(self._stream, "isatty", bool)()) and os.environ.get("TERM") != "dumb"
        self._terminal = terminal
        self._colour = terminal and not os.environ.get("NO_COLOR")
        self._unicode = _writes_unicode(self._stream)
        self._spinner: Spinner | None = None
        self._board: Board | None = None
        self._silent = False

    def title(self, text: str) -> None:
        """The first line: what is about to happen to which app on which target."""
        self._put((plain(text), _BOLD))

    def fact(self, label: str, value: object) -> None:
        """One thing that is so."""
        name = f"  {plain(label):<11} "
        self._put((name, _DIM), (plain(value), ""), indent=len(name))

    def line(self, text: str, outcome: str = "succeeded") -> None:
        """A line as it is; the lines that follow in the same text are indented."""
        wrong = outcome in _WRONG
        first, *rest = plain_lines(text)
        self._put((first, ""), wrong=wrong)
        for line in rest:
            self._put((f"  {line}", ""), wrong=wrong)

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        """Show that `text` is being done until the block ends, and then how it ended and how long it took.

        What the block says it is at stands behind the live line, or on a line of its own. An exception fails the
        step, and so does the block's `fail`.
        """
        name, began = plain(text), time.monotonic()
        spinner = self._spin(name)
        on_board = self._spinner if self._board else None
        if on_board:
            on_board.say(name)

        def say(phrase: str) -> None:
            if shown := spinner or on_board:
                shown.say(plain(phrase) if spinner else f"{name}: {plain(phrase)}")
                self._copy(f"    {plain(phrase)}")
            else:
                self._put((f"    {plain(phrase)}", _DIM))

        ended, step = False, Step(say)
        try:
            yield step
            ended = not step.failed
        finally:
            if spinner is not None:
                self._spinner = None
                spinner.stop()
            if on_board:
                on_board.say("")
            how = "" if self._terminal else "… done " if ended else "… failed "
            self._put(*self._mark(ended), (f"{name} ", ""), (f"{how}{time.monotonic() - began:.1f} s", _DIM))

    def checks(self, results: Iterable[Any]) -> None:
        """A table of check results (name, outcome, method, url, status, millis, reason)."""
        rows = list(results)
        width = min(max((len(plain(r.name)) for r in rows), default=0), 24)
        for row in rows:
            mark = self._mark(row.outcome == "passed")
            answer = f"{row.status if row.status is not None else '---'} {row.millis:>6} ms  "
            name = f"{_cut(plain(row.name), 24):<{width}}  "
            path = "/" + plain(row.url).partition("://")[2].partition("/")[2]
            said = f"{plain(row.method)} {path}" + (f": {plain(row.reason)}" if row.reason else "")
            indent = sum(len(text) for text, _ in mark) + len(name) + len(answer)
            shade = "" if row.reason else _DIM
            wrong = row.outcome != "passed"
            self._put(*mark, (name, ""), (answer, _DIM), (said, shade), indent=indent, wrong=wrong)

    @contextmanager
    def board(self, names: Sequence[str]) -> Iterator[None]:
        """On a terminal, keep a live table of these stages below everything else until the block ends."""
        from .board import Board

        self._board = Board(names, unicode=self._unicode)
        spinner = self._spin("", table=self._board.lines)
        try:
            yield
        finally:
            self._board = self._spinner = None
            if spinner is not None:
                spinner.stop()

    def stage(self, number: int, of: int, name: str) -> None:
        """The heading of one stage of several."""
        if self._board:
            self._board.begin(name)
        self._put((f"  {number}/{of} {plain(name)}", _BOLD))

    def stages(self, names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """The table of all stages: how each ended and how long it took; those that were not reached are dim."""
        ended = {row["stage"]: row for row in rows}
        for name in names:
            row = ended.get(name)
            if row is None:
                self._put(*self._glyph(_SKIPPED), (f"{plain(name):<25}", _DIM), ("not reached", _DIM))
                continue
            mark = self._glyph(_MARKS[str(row["outcome"])])
            took, said = f"{row['seconds']:>6.1f} s  ", plain(row["line"])
            room = self._columns() - 41 if self._terminal else len(said)  # its whole line stands above
            self._put(*mark, (f"{plain(name):<25}", ""), (took, _DIM), (_cut(said, max(room, 20)), ""))

    def verdicts(self, verdicts: Iterable[Any]) -> None:
        """What each guard decided (guard, outcome: pass, refuse, n/a or not asked, reason), refusals first.

        Those that pass or do not apply are counted, and listed only with `verbose`.
        """
        rows = sorted(verdicts, key=lambda verdict: _ORDER.index(verdict.outcome))
        folded = Counter(row.outcome for row in rows if row.outcome in _FOLDED and not self.verbose)
        rows = [row for row in rows if row.outcome not in folded]
        width = min(max((len(plain(v.guard)) for v in rows), default=0), 32)
        for row in rows:
            mark = self._glyph(_VERDICTS[row.outcome])
            name = f"{_cut(plain(row.guard), 32):<{width}}  "
            indent = sum(len(text) for text, _ in mark) + len(name)
            reason = plain(row.reason) or ("does not apply" if row.outcome == "n/a" else "")
            reason = f"{row.outcome}: {reason}" if row.outcome == "not asked" else reason
            wrong = row.outcome == "refuse"
            self._put(*mark, (name, ""), (reason, "" if wrong else _DIM), indent=indent, wrong=wrong)
        if folded:
            counted = ", ".join(
                f"{folded[outcome]} {word}" for outcome, word in _FOLDED.items() if folded[outcome]
            )
            self._put(*self._glyph(_WELL), (f"{counted} (--verbose lists them)", _DIM))

    def commands(self, commands: Iterable[str], outcome: str = "succeeded") -> None:
        """The commands that lead on after this outcome, in order; each is a line to copy, never broken."""
        for number, command in enumerate(commands):
            label = "  then: " if number else "  next: "
            self._put((label, _DIM), (plain(command), ""), wrap=False, wrong=outcome in _WRONG)

    def final(self, outcome: str, text: str) -> None:
        """The last line: the verdict, marked by how it ended (`model.Outcome`)."""
        first, *rest = plain_lines(text)
        glyph, word, colour = _MARKS[outcome]
        wrong = outcome in _WRONG
        self._put((f"{glyph if self._unicode else word} ", colour), (first, f"{_BOLD};{colour}"), wrong=wrong)
        for line in rest:
            self._put((f"  {line}", ""), wrong=wrong)
        if self._silent and self._stream is sys.stdout and sys.stderr:
            try:  # nobody reads stdout any more, and this must be said
                print(
                    self._encodable(f"{glyph if self._unicode else word} {text}"), file=sys.stderr, flush=True
                )
            except OSError:
                _lead_nowhere(sys.stderr)

    def emit(self, value: object) -> None:
        """The one JSON object of a command, on stdout. Where that cannot be written, a line on stderr says so."""
        import json

        try:
            if sys.stdout is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            sys.stdout.write(json.dumps(value, default=str) + "\n")
            sys.stdout.flush()
        except OSError as error:
            _lead_nowhere(sys.stdout)
            self.line(f"the JSON is lost, stdout cannot be written: {error.strerror or type(error).__name__}")

    def _spin(self, text: str, table: Table | None = None) -> Spinner | None:
        """A live line, on a terminal and when no outer step has one."""
        if not self._terminal or self._silent or self._spinner is not None:
            return None
        from .spinner import Spinner

        shown = self._encodable(text)
        self._spinner = Spinner(self._stream, shown, colour=self._colour, unicode=self._unicode, table=table)
        self._spinner.start()
        return self._spinner

    def _mark(self, ok: bool) -> tuple[Part, ...]:
        return self._glyph(_WELL if ok else _BADLY)

    def _glyph(self, mark: tuple[str, str, str]) -> tuple[Part, ...]:
        glyph, word, colour = mark
        return (("  ", ""), (f"{glyph} " if self._unicode else f"{word:<4} ", colour))

    def _put(self, *parts: Part, indent: int = 4, wrap: bool = True, wrong: bool = False) -> None:
        """Print one line made of painted parts; what does not fit the terminal goes on below, at `indent`."""
        self._copy("".join(text for text, _ in parts))
        if self._silent:
            return
        shown = [(self._encodable(text), code) for text, code in parts]
        if self._terminal and wrap:
            shown = _wrapped(shown, indent, self._columns())
        painted = "".join(
            f"\x1b[{code}m{text}\x1b[0m" if code and text and self._colour else text for text, code in shown
        ).rstrip()
        try:
            with self._spinner.lock if self._spinner else nullcontext():
                stream = self._stream
                if self._spinner:
                    self._spinner.write(painted)
                else:
                    stream = sys.stderr if wrong and stream is sys.stdout and sys.stderr else stream
                    stream.write(painted + "\n")
                stream.flush()
        except OSError:
            self._fall_silent()

    def _copy(self, text: str) -> None:
        if self.log is None:
            return
        try:
            self.log.write(text.rstrip() + "\n")
        except (OSError, ValueError) as error:
            self.log = None  # a full disk must not end a release half-way; the log shows that it is cut
            self.line(f"the log ends here: {getattr(error, 'strerror', None) or error}")

    def _fall_silent(self) -> None:
        """Nobody reads any more. What Python still holds for the stream must not fail at exit either."""
        self._silent = True
        _lead_nowhere(self._stream)

    def _encodable(self, text: str) -> str:
        if self._unicode:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80


def _lead_nowhere(stream: TextIO | None) -> None:
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())  # type: ignore[union-attr]
        os.close(null)


def _writes_unicode(stream: TextIO) -> bool:
    """True when ✓ can be written. LANG=C asks for ASCII, although Python writes UTF-8 even then."""
    if (os.environ.get("LC_ALL") or os.environ.get("LANG")) in ("C", "POSIX"):
        return False
    try:
        "✓✗…·–⠋".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _wrapped(parts: list[Part], indent: int, columns: int) -> list[Part]:
    """The last part broken so that it fits the terminal; the lines after the first begin at `indent`."""
    before = sum(len(text) for text, _ in parts[:-1])
    text, code = parts[-1]
    if before + len(text) < columns:
        return parts
    import textwrap

    if indent > columns // 2:
        indent = 6
    room = max(columns - 1, indent + 20)
    beside = before <= columns // 2  # else there is hardly any room behind what stands there already
    lines = textwrap.wrap(
        text,
        room,
        initial_indent=" " * (before if beside else indent),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
    broken = "\n".join(lines)
    return [*parts[:-1], (broken[before:] if beside else f"\n{broken}", code)]
