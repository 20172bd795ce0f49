"""Verifiers that others wrote: the stock in-toto-verify on an export, npm's @sigstore/verify on an envelope.

`nox -s intoto` installs both and names them in the environment; without them these tests are skipped.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roadworthy.journal.entry import pae
from roadworthy.journal.sign import create_key

from .exporting import did, exported, shipped
from .making import log_of, signer_of
from .verifying import intoto, verified

NODE_MODULES = os.environ.get("ROADWORTHY_SIGSTORE", "")
SCRIPT = Path(__file__).parent / "sigstore_verify.cjs"
sigstore = [pytest.mark.intoto, pytest.mark.skipif(not NODE_MODULES, reason="`nox -s intoto` runs it")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with an export in `out`; in `later`, that of another run with the same package and key."""
    root = tmp_path_factory.mktemp("whole")
    shipped(root)
    exported(root, root / "out")
    prod = log_of(root, "prod")
    did(prod, "prod", "deploy", to={"commit": "4b" * 20, "release": 8})
    did(prod, "prod", "migrate")
    exported(root, root / "later", "v8")
    return root


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "root")) / "out"


def link(out: Path, number: int) -> Path:
    return next(out.glob(f"{number:02d}.*.link"))


def changed(path: Path, change: Callable[[dict[str, Any]], object], root: Path | None = None) -> None:
    """Change what an envelope holds; with `root`, sign it anew with the exporter's key."""
    envelope = json.loads(path.read_bytes())
    said = json.loads(base64.b64decode(envelope["payload"]))
    change(said)
    payload = json.dumps(said).encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    if root:
        signature = signer_of(root).sign(pae(payload))
        envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    path.write_text(json.dumps(envelope))


def swap(out: Path) -> None:
    two, three = link(out, 2), link(out, 3)
    first, second = two.read_bytes(), three.read_bytes()
    two.write_bytes(second)
    three.write_bytes(first)


def another_runs_links(out: Path) -> None:
    for path in out.parent.joinpath("later").glob("*.link"):
        shutil.copy(path, out)


def forged(out: Path) -> None:
    """Somebody signs a link with a key of his own, and names the exporter's."""
    path = link(out, 4)
    envelope = json.loads(path.read_bytes())
    signature = create_key(out.parent / "forger", "x").sign(pae(base64.b64decode(envelope["payload"])))
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    path.write_text(json.dumps(envelope))


CASES: dict[str, Callable[[Path], object]] = {
    "a link is missing": lambda out: link(out, 3).unlink(),
    "the first link is missing": lambda out: link(out, 1).unlink(),
    "two links swapped": swap,
    "a link edited": lambda out: changed(link(out, 2), lambda s: s["byproducts"].update(at="never")),
    "a link forged": forged,
    "a link of another run": lambda out: shutil.copy(link(out.parent / "later", 4), out),
    "all links of another run": another_runs_links,
    "a layout of another run": lambda out: shutil.copy(out.parent / "later" / "root.layout", out),
    "a layout edited": lambda out: changed(out / "root.layout", lambda s: s["steps"].pop()),
    "a step left out of the layout": lambda out: changed(
        out / "root.layout", lambda s: s["steps"].pop(2), out.parent
    ),
    "another package": lambda out: (out / "package.tgz").write_bytes(b"other"),
    "no package": lambda out: (out / "package.tgz").unlink(),
    "a link about another package": lambda out: changed(
        link(out, 4), lambda s: s["products"]["package.tgz"].update(sha256="0" * 64), out.parent
    ),
    "a link that follows another entry": lambda out: changed(
        link(out, 4),
        lambda s: [v.update(sha256="0" * 64) for k, v in s["materials"].items() if k.startswith("entry/")],
        out.parent,
    ),
    "a link with something more": lambda out: changed(
        link(out, 4), lambda s: s["products"].update({"x": {"sha256": "0" * 64}}), out.parent
    ),
    "a link without its run": lambda out: changed(
        link(out, 4),
        lambda s: [s["materials"].pop(k) for k in list(s["materials"]) if k.startswith("run/")],
        out.parent,
    ),
    "another key": lambda out: shutil.copy(out.parent / "other.pem", out / "layout-key.pem"),
}


class TestInToto:
    pytestmark = intoto

    def test_the_stock_verifier_accepts_an_export(self, whole: Path, out: Path) -> None:
        assert verified(out) == (0, "")
        assert verified(whole / "later") == (0, "")

    @pytest.mark.parametrize("tamper", CASES.values(), ids=CASES.keys())
    def test_the_stock_verifier_refuses_any_change(self, out: Path, tamper: Callable[[Path], object]) -> None:
        make = ["openssl", "genpkey", "-algorithm", "ed25519", "-out"]
        subprocess.run([*make, out.parent / "other"], check=True, timeout=60)
        public = ["openssl", "pkey", "-in", out.parent / "other", "-pubout", "-out", out.parent / "other.pem"]
        subprocess.run(public, check=True, timeout=60)
        tamper(out)
        code, why = verified(out)
        assert code == 1, why

    def test_the_stock_verifier_does_not_read_what_the_documentation_says_it_does_not(
        self, out: Path
    ) -> None:
        """Then docs/trust.md, "Who finds what was changed", is true; TestSigstore judges the statements."""
        for path in (*out.glob("*.dsse.json"), out / "README.txt"):
            path.write_text("other")
        shutil.copy(link(out, 1), out / "06.prod.other.link")
        assert verified(out) == (0, "")

    def test_the_stock_verifier_refuses_a_layout_that_ended(self, whole: Path, tmp_path: Path) -> None:
        exported(whole, tmp_path / "old", now=datetime(2020, 1, 1, tzinfo=UTC))
        code, why = verified(tmp_path / "old")
        assert code == 1
        assert "expired" in why.lower()


class TestSigstore:
    pytestmark = sigstore

    @staticmethod
    def judged(envelope: Path, key: Path) -> int:
        env = {"PATH": os.environ["PATH"], "NODE_PATH": NODE_MODULES}
        command = ["node", str(SCRIPT), str(envelope), str(key)]
        return subprocess.run(command, env=env, capture_output=True, timeout=60, check=False).returncode

    @pytest.mark.parametrize("name", ["journal/sandbox/prod/00000004.json", "out/provenance.dsse.json"])
    def test_an_envelope_verifies_and_an_edited_one_does_not(self, out: Path, name: str) -> None:
        path, key = out.parent / name, out / "layout-key.pem"
        assert self.judged(path, key) == 0
        changed(path, lambda s: s["subject"][0].update(name="other"))
        assert self.judged(path, key) == 1
