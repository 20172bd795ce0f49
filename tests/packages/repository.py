"""Real git repositories in a folder, made fast: one `git fast-import` for each commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
PROCFILE = {"app/Procfile": "web: python -m http.server $PORT\n"}
Files = Mapping[str | bytes, str | bytes]


class Repository:
    """A repository at `root`; `commit` replaces its whole tree."""

    def __init__(self, root: Path, *options: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *words: str, stdin: bytes = b"", **environment: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *words],
            cwd=self.root,
            input=stdin,
            capture_output=True,
            env=CLEAN | environment,
            check=True,
        )
        return done.stdout.decode(errors="replace").strip()

    def commit(self, files: Files, message: str = "Change", *, links: Files | None = None) -> str:
        """Commit these files (a name ending in `*` is executable) and symlinks, check them out."""
        stream = b"commit refs/heads/main\ncommitter T <t@example.org> 1700000000 +0200\n"
        stream += (
            _data(message) + (b"from refs/heads/main^0\n" if self._has_commits() else b"") + b"deleteall\n"
        )
        for mode, table in ((b"100644", files), (b"120000", links or {})):
            for name, content in table.items():
                raw = _bytes(name)
                mode_here = b"100755" if raw.endswith(b"*") else mode
                stream += (
                    b"M " + mode_here + b" inline " + _quoted(raw.removesuffix(b"*")) + b"\n" + _data(content)
                )
        self.git("fast-import", "--quiet", "--force", stdin=stream)
        return self.git("rev-parse", "refs/heads/main")

    def checkout(self) -> None:
        self.git("reset", "-q", "--hard", "main")

    def _has_commits(self) -> bool:
        return (self.root / ".git/refs/heads/main").exists()


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _data(text: str | bytes) -> bytes:
    raw = _bytes(text)
    return b"data %d\n%s\n" % (len(raw), raw)


def _quoted(name: bytes) -> bytes:
    return b'"' + b"".join(b"\\%03o" % c if c in b'"\\\n' else bytes([c]) for c in name) + b'"'
