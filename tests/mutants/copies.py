"""A copy of the working tree with a virtual environment of its own: a mutant is never in the tree itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def listed() -> list[str]:
    """What git knows of the tree and what it would add."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if (REPOSITORY / name).is_file()]


def copy_to(folder: Path) -> None:
    """Copy the tree.

    The copy's interpreter finds the copy's src before the packages of the environment that runs now, so every
    process that a test starts by `sys.executable` has the mutant, too.
    """
    for name in listed():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name, follow_symlinks=False)
    environment = folder / ".venv"
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(environment)), check=True)
    packages = Path(sysconfig.get_path("purelib"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    pth = environment / "lib" / version / "site-packages" / "copy.pth"
    start = "import sys; exec('try: import mutants.reaching\\nexcept ImportError: pass')"
    pth.write_text("\n".join((str(folder / "src"), str(packages), str(folder / "tests"), start)) + "\n")
    for script in Path(sys.executable).parent.iterdir():
        _copy_script(script, environment)
    (environment / ".ready").write_text(f"{environment}\n")
    quiet = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "The tree as it is")):
        subprocess.run((*quiet, *words), cwd=folder, check=True)


def _copy_script(script: Path, environment: Path) -> None:
    there = environment / "bin" / script.name
    if there.exists() or script.is_symlink() or not script.is_file():
        return
    first, _, rest = script.read_bytes().partition(b"\n")
    if first.startswith(b"#!") and b"python" in first:
        there.write_bytes(f"#!{environment}/bin/python\n".encode() + rest)
        there.chmod(0o755)
    elif not first.startswith(b"#!") and not script.name.lower().startswith("activate"):
        shutil.copy2(script, there)
