"""Evidence: make a signing key, note heads elsewhere, and hand a release to others. `audit.py` checks it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..execution.holding import say_open
from ..execution.signing import require
from ..lost import refuse_if_lost
from ..model import Outcome, Result
from ..record import evidence_of

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.export import Product
    from ..journal.sign import Signer


def keys(context: Context, name: str, folder: str, existing: str = "") -> Result:
    """Make an Ed25519 key: the private half (OpenSSH, 0600) in `folder`, the public half in `.release/trust`.

    With `existing`, a private key file (OpenSSH or PEM) stays where it lies and only its public half is
    taken in. A key in the project, a name that is taken, and a file that others can read are refused.
    """
    from ..files import write_atomically
    from ..journal.sign import Trust, create_key, is_key_name, load_signer

    if not is_key_name(name):
        raise UsageError(f"{name[:100]!r} cannot name a key: letters, digits, . _ -")
    root = context.paths.root
    place = Path(folder or "~/.config/roadworthy").expanduser() / name
    place = Path(existing).expanduser() if existing else place
    if place.resolve().is_relative_to(root.resolve()):
        raise UsageError("a private key must not be in the project: keep it in a folder outside")
    public = root / ".release" / "trust" / f"{name}.pub"
    if public.exists():
        raise UsageError(f"key {name} exists already (.release/trust/{name}.pub): choose another --name")
    context.changes(f"{'take in' if existing else 'make'} the key {name}")
    signer: Signer = load_signer(place) if existing else create_key(place.parent, name)
    if signer.keyid in Trust.load(public.parent).keys:
        raise UsageError(f"{signer.keyid} is in .release/trust already, under another name")
    write_atomically(public, f"{signer.public} {name}\n".encode())
    line = f"key {signer.keyid}: sign with ROADWORTHY_SIGNING_KEY_FILE={place}; list in trust.toml what it may sign"
    return Result(Outcome.SUCCEEDED, line, evidence=f".release/trust/{name}.pub")


def clock(context: Context, place: str, why: str) -> Result:
    """Say, signed, that this machine's clock is right although the newest entry's or the platform's is another.

    From then on writers are compared with this entry's clock.
    """
    from ..journal import lock
    from ..journal.entry import Record

    require(context, place, ("clock",))
    log = context.log(place)
    refuse_if_lost(context, log)
    context.changes(f"confirm that {place} continues with this machine's clock")
    told = {"change": {"id": "", "why": why}, "actor": lock.this_process(), "clock_why": why}
    record = Record("note", "clock", "clock", place, context.target, "none", "", told)
    entry = log.append(record)
    line = f"{place} goes on by this machine's clock, which says {context.now():%Y-%m-%dT%H:%M:%SZ}"
    return Result(Outcome.SUCCEEDED, line, seq=entry.seq, evidence=evidence_of(context, place, entry))


def export(context: Context, environment: str, said: str, to: str) -> Result:
    """Write one release as in-toto links, a layout and published predicates, for other people's verifiers."""
    from ..journal import export as exporter

    if not to:
        raise UsageError("--to is missing: name the folder to create")
    if context.signer is None:
        raise UsageError("there is no signing key for the export: set ROADWORTHY_SIGNING_KEY_FILE")
    certified_in = context.config.environment(environment).certified_in
    say_open(context, context.log(environment))
    release = exporter.gather(
        lambda place: context.log(place).entries(), environment, said, certified_in=certified_in or ""
    )
    folder = context.paths.root / Path(to).expanduser()
    context.changes(f"write the release of {release.commit[:12]} to {to}")
    files = {product.file: _product(context, release.commit, product) for product in release.products}
    exporter.write(release, folder, context.signer, files=files, now=context.now())
    line = f"{len(release.steps)} stages of {release.name}: see README.txt there"
    return Result(Outcome.SUCCEEDED, line, evidence=context.shown(folder))


def _product(context: Context, commit: str, product: Product) -> Path | bytes:
    """What was deployed: a source package's file, from the store where it must be, or an image's manifest."""
    if product.kind == "image":
        from ..packages import registry

        # The journal has the digest alone. Whatever a registry gives by a digest has that digest.
        repository = context.config.component(product.component).repository
        ref = product.ref or f"{repository}@sha256:{product.digest}"
        return registry.read(ref, environ=context.environ).data
    from ..facts import package
    from ..model import Package
    from ..packages.build import store_of

    package.bring(context, Package(commit, product.digest, 0, component=product.component))
    return store_of(context.config, context.paths, product.component) / f"{commit}.tgz"
