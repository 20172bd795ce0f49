"""Public keys, trust.toml and anchors as docs/journal-format.md defines them, and what they are turned into.

Three read them and share no code: the writer, the Python audit and `audit.sh`. `verdicts` asks all three.
"""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from roadworthy.errors import UsageError
from roadworthy.journal.audit import audit, read_anchors
from roadworthy.journal.audit_entry import Bad
from roadworthy.journal.sign import Trust

from .auditing import run

MANY = int(os.environ.get("FORMS", "20"))  # random cases of each test that starts a shell
often = settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
LOG = "sandbox/prod"
SHA = "5" * 64
POLICY = b"""# who may what

version = 2  # it rises
[[rule]]
key = "deployer"
target = "sandbox"
environments = ["prod", "staging"]
stages = ["deploy"]
actions = ["*"]
until = "2027-01-01T00:00:00Z"
[[revoked]]
key = "stranger"
good = []
"""
PIECES = [
    *(b"\0", b"\t", b"\r", b"\n", b"\r\n", b"\x0b", b"\x0c", b"\x1b", b"\x7f", b"\x85", b"\xe2\x80\xa8"),
    *(b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc2", b"\xf4\x90\x80\x80", b"\xef\xbf\xbd", b"\xc3\xa9"),
    *(b'"', b"'", b'"""', b"\'\'\'", b"\\", b"\\n", b'\\"', b"\\u0041", b" ", b"  ", b"#", b"# x\n"),
    *(b"[", b"]", b"[[", b"]]", b"{", b"}", b"=", b",", b".", b":", b"[" * 300, b"inf", b"nan", b"NaN", b"true"),
    *(b"0", b"1", b"+1", b"-1", b"0x2", b"1_0", b"12.0", b"1e1", b"1E0", b"00", b"null", b"9" * 20),
    *(b"key", b'"key"', b"'key'", b"rule.key", b"[[rule]]", b"[rule]", b"[[ rule ]]", b"[[revoked]]"),
    *(b'"deployer"', b"rule = []\n", b"2027-01-01T00:00:00Z", b'"2027-01-01T00:00:00Z"', b'["*"]', b"[]", b"[\n]"),
    *(b"until = ", b"from = ", b"needs = ", b"good = ", b"good = []\n", b"extra = 1\n", b'needs = ["test"]\n'),
    *(b"version", b'"*"', b'"policy": ', b'"seq": 5, ', b'"seq"'),
]  # fmt: skip


def changed(base: bytes) -> st.SearchStrategy[bytes]:
    """`base` with up to four pieces put in, taken out, doubled or swapped."""

    @st.composite
    def change(draw: st.DrawFn) -> bytes:
        data = base
        for _ in range(draw(st.integers(1, 4))):
            at = draw(st.integers(0, len(data)))
            end = min(len(data), at + draw(st.integers(0, 12)))
            lines = data.splitlines(keepends=True)
            line = draw(st.integers(0, max(len(lines) - 1, 0)))
            match draw(st.integers(0, 5)):
                case 0:
                    data = data[:at] + data[end:]
                case 1:
                    data = data[:at] + draw(st.sampled_from(PIECES)) + data[at:]
                case 2:
                    data = data[:at] + draw(st.sampled_from(PIECES)) + data[end:]
                case 3:
                    data = data[:end] + data[at:]
                case 4:
                    data = b"".join([*lines[:line], *lines[line + 1 :]])
                case _:
                    data = b"".join([*lines[: line + 1], *lines[line:]])
        return data

    return change()


def verdicts(path: str, root: Path, anchors: tuple[str, ...] = ()) -> tuple[str, str, str]:
    """The word that the writer, the Python audit and `audit.sh` each have for the journal's surroundings.

    "" is for all well; the writer reads no anchors, and says "policy" of what it refuses to trust.
    """
    try:
        Trust.load(root / "trust")
        writer = ""
    except UsageError as error:
        assert "\n" not in str(error)
        writer = "policy"
    folder = root / "journal" / LOG
    try:
        known = [one for source in anchors for one in read_anchors(source, LOG)]
        found = audit(folder, root / "trust", known)
        python = f"{found[0].name} {found[0].code}" if found else ""
        if anchors and not any(one.place == LOG for one in known):
            python = "prod anchor"  # an anchor of another log alone: the command says so of all journals
    except Bad as bad:
        python = f"prod {bad.code}"
    options = [word for source in anchors for word in ("--anchor", source)]
    done = run(path, folder, "--trust", root / "trust", *options)
    assert done.returncode in (0, 1), done
    said = done.stderr.split(": ")
    assert done.returncode == 0 or (said[0] == "audit" and len(done.stderr.splitlines()) == 1), done
    return writer, python, f"{said[1]} {said[2]}" if done.returncode else ""
