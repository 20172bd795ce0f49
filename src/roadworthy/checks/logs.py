"""The log scan: which lines since a release match a rule that no line may match.

Invariants:

- A line is what stands between two line feeds, and a rule hits it when `re.search` does: nothing that makes
  the scan fast changes that. Patterns are written so that `grep -E` reads them alike and anyone can check.
- Memory does not grow with the log: it is read in blocks, and of each rule only the first hits are kept,
  though all are counted.
- What cannot be scanned is an error and never a clean log: no rules, a line without end, a failing read, a rule
  that takes for ever.

How it is fast: a rule is asked only about lines that hold a literal which every match of the rule must have
(` status=5` for the 5xx rule). Looking for a literal is C code, and most blocks lack one of its bytes.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from ..config import LogRule
from ..errors import CheckFailed
from .literals import required

MOST_HITS: Final = 20  # kept per rule; all are counted
LONGEST_LINE: Final = 1 << 20  # bytes; logplex itself cuts lines at 10 kB
LONGEST_TEXT: Final = 500  # characters of a hit that are kept
MOST_SECONDS: Final = 30.0  # of computing; a log of a gigabyte takes a few
_BLOCK: Final = 28 * 1024  # fits the first cache, and CPython searches blocks below 30,000 bytes fastest
_STAMP: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ")


class Hit(msgspec.Struct, frozen=True):
    """A line that a rule matched. `text` stands as it does in the log, only cut: neutralise it to show it."""

    rule: str
    line_number: int
    text: str


class ScanResult(msgspec.Struct, frozen=True):
    """What was read, the first hits of each rule by line number, and how many lines each rule hit."""

    lines: int
    bytes: int
    hits: tuple[Hit, ...]
    counts: dict[str, int]

    @property
    def clean(self) -> bool:
        """True when no rule hit any line."""
        return not any(self.counts.values())


class _Rule:
    """A compiled rule, and the literals of which every line that it hits holds at least one."""

    def __init__(self, rule: LogRule, sample: bytes) -> None:
        self.name = rule.name
        self.search = re.compile(rule.pattern.encode()).search
        choices = required(rule.pattern.encode())
        # Any choice is right; the one that the log's beginning shows least often is the fastest.
        fewest = min(choices, key=lambda some: (sum(map(sample.count, some)), -len(some[0])), default=())
        self.literals = tuple((literal, _rarest(literal, sample)) for literal in fewest)
        self.count = 0
        self.hits: list[Hit] = []

    def lines_of(self, block: bytes) -> Iterable[int]:
        """Where the lines of `block` begin that the rule may hit."""
        if not self.literals:
            return chain([0], (match.end() for match in re.finditer(b"\n", block[:-1])))
        starts: set[int] = set()
        for literal, rarest in self.literals:
            if rarest not in block:
                continue
            at = block.find(literal)
            while at >= 0:
                starts.add(block.rfind(b"\n", 0, at) + 1)
                end = block.find(b"\n", at)
                at = block.find(literal, end) if end >= 0 else -1
        return sorted(starts) if starts else ()


def scan(log: Path | BinaryIO | Iterable[bytes], rules: Iterable[LogRule]) -> ScanResult:
    """Ask every rule that is on about every line of `log`: a file, an open binary stream, or lines.

    Raises CheckFailed when there are no rules, a line is longer than LONGEST_LINE, the log cannot be read, or the
    rules have not been asked after MOST_SECONDS.
    """
    asked = [rule for rule in rules if rule.on]
    if not asked:
        raise CheckFailed("no log rules are declared, so a scan would prove nothing")
    compiled: list[_Rule] = []
    lines = size = 0
    try:
        with _bounded() as now_asking:
            for block in _blocks(log):
                compiled = compiled or [_Rule(rule, block) for rule in asked]
                for rule in compiled:
                    now_asking[0] = rule.name
                    if starts := rule.lines_of(block):
                        _apply(rule, block, starts, lines)
                lines += block.count(b"\n")
                size += len(block)
                lines += not block.endswith(b"\n")
    except OSError as error:
        raise CheckFailed(f"the log cannot be read: {error.strerror or type(error).__name__}") from error
    hits = sorted((hit for rule in compiled for hit in rule.hits), key=lambda hit: hit.line_number)
    counts = dict.fromkeys((rule.name for rule in asked), 0)
    for rule in compiled:
        counts[rule.name] += rule.count
    return ScanResult(lines, size, tuple(hits), counts)


@contextmanager
def _bounded() -> Iterator[list[str]]:
    """Ends what is inside after MOST_SECONDS of this process's computing; gives a list for the rule that is asked.

    A pattern such as `(a+)+$` takes longer than anybody lives, and Python looks for a signal even inside of it. The
    scan holds an environment meanwhile. Only the main thread gets signals: elsewhere there is no bound.
    """
    asking = [""]
    if threading.current_thread() is not threading.main_thread():
        yield asking
        return

    def end(*_: object) -> None:
        raise CheckFailed(
            f"log rule {asking[0]!r} takes more than {MOST_SECONDS:.0f} s: remove nested "
            "repetition, such as (a+)+, from its pattern"
        )

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        yield asking
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def since(lines: Iterable[bytes], released_at: datetime) -> Iterator[bytes]:
    """The lines whose logplex timestamp is `released_at` (with a time zone) or later.

    A line without a timestamp belongs to the line before it. Those before the first timestamp are kept: it is
    better to alarm about an older line than to overlook one.
    """
    if released_at.tzinfo is None:
        raise ValueError("released_at needs a time zone")
    kept = True
    for line in lines:
        stamp = _STAMP.match(line)
        if stamp:
            kept = _later(stamp[1].decode(), released_at, kept)
        if kept:
            yield line


def _later(stamp: str, released_at: datetime, otherwise: bool) -> bool:
    try:
        return datetime.fromisoformat(stamp) >= released_at
    except ValueError:  # looks like a time and is none, such as month 13
        return otherwise


def _apply(rule: _Rule, block: bytes, starts: Iterable[int], lines_before: int) -> None:
    counted_to, number = 0, lines_before + 1
    for start in starts:
        end = block.find(b"\n", start)
        line = block[start : end if end >= 0 else len(block)]
        if not rule.search(line):
            continue
        rule.count += 1
        if len(rule.hits) < MOST_HITS:
            number += block.count(b"\n", counted_to, start)
            counted_to = start
            rule.hits.append(Hit(rule.name, number, line.decode("utf-8", "replace")[:LONGEST_TEXT]))


def _blocks(log: Path | BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    """The log in blocks of whole lines; only the last block may end without a line feed."""
    if isinstance(log, Path):
        with log.open("rb", buffering=0) as stream:
            yield from _blocks(stream)
        return
    read = getattr(log, "read", None)
    parts: Iterable[bytes] = iter(lambda: read(_BLOCK), b"") if read else _joined(log)
    rest = b""
    for part in parts:
        cut = part.rfind(b"\n") + 1
        if not cut:
            rest += part
        else:
            yield rest + part[:cut]
            rest = part[cut:]
        if len(rest) > LONGEST_LINE:
            raise CheckFailed(f"the log has a line of more than {LONGEST_LINE} bytes")
    if rest:
        yield rest


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines, with or without their line feeds, gathered to the size of a block."""
    gathered: list[bytes] = []
    size = 0
    for line in lines:
        gathered.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(line)
        if size > _BLOCK:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def _rarest(literal: bytes, sample: bytes) -> bytes:
    """The byte of `literal` that the sample holds least: most blocks lack it, and one byte is found fastest."""
    return min((bytes([byte]) for byte in literal), key=sample.count)
