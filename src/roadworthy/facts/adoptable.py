"""Which package the platform runs, as far as this road can prove it: what an adoption may count as verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import git
from ..errors import UsageError
from ..model import History, Observed, Package
from ..packages.build import build

if TYPE_CHECKING:
    from ..world import World


def adoptable(context: World, environment: str, history: History, observed: Observed) -> Package:
    """The package that runs: verified here before, or made of the commit that the platform names.

    The platform's word for a commit is only what somebody told it, so the package is built from that commit
    and the digests are compared. Where a certificate is asked for, only what was verified there before will
    do: anything else has to come by the road. Raises UsageError with the reason.
    """
    if history.running is None:
        raise UsageError(f"nothing was ever verified in {environment}")
    # What runs may be all of the declared components, or those of the package that should run.
    for digest in (observed.digest, observed.as_of(history.running.package).digest):
        if verified := next((d.package for d in history.deployed if d.package.digest == digest), None):
            return verified
    digest, commit = observed.digest, observed.commit
    said = f"package {digest[:12] or 'none'}"
    before = context.config.environment(environment).certified_in
    if before:
        raise UsageError(f"{said} was never verified in {environment}, and {before} has to certify it first")
    if not commit:
        raise UsageError(f"the platform does not report the commit of {said}")
    built = build(context, git.resolve(context.paths.root, commit))
    if built.digest != digest:
        raise UsageError(f"{said} is not what is built from {commit[:12]} ({built.digest[:12]})")
    return built
