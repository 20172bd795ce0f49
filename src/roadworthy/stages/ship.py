"""Ship: test, build, deploy, migrate and verify one commit on one environment, in that order.

What the journal already proves is not done again: a green run of the tests on this very package, a package that
runs, a schema that is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import release
from ..errors import CheckFailed, RoadworthyError
from ..facts.history import test_run
from ..model import Outcome, Request, Result
from .build import build
from .test_run import test
from .verify import verify

if TYPE_CHECKING:
    from ..context import Context


def ship(context: Context, request: Request) -> Result:
    """Take the commit of `request` (a deploy) through every step; the first that does not succeed ends it.

    Raises what the steps raise; a refusal or a failure of the road is its Result.
    """
    package = build(context, request.commit)
    tested = test_run(context.log(f"package-{request.commit}").settled(), package.digest)
    if tested.outcome == "success":
        context.screen.fact("tests", f"passed already: {tested.source} ({tested.url})")
    else:
        test(context, request.commit)
    context.screen.fact("package", f"{package.digest[:12]}, {package.size:,} bytes")
    deployed = release.run(context, request)
    if deployed.outcome is not Outcome.SUCCEEDED or deployed.plan is None:
        return deployed
    migrate = replace(request, action="migrate", maintenance=False, to=package.digest)
    migrated = release.run(context, migrate)
    if migrated.outcome is not Outcome.SUCCEEDED:
        return migrated
    if differences := verify(context, request.environment):
        raise CheckFailed("\n".join(["not as the journal says", *(f"  {d}" for d in differences)]))
    return replace(migrated, line=f"shipped {request.commit[:12]} to {deployed.plan.app}, verified")


@contextmanager
def logged(context: Context, said: str, wanted: bool) -> Iterator[None]:
    """Also write what the screen shows to `ship_<app>_<UTC stamp>.log`; its digest goes into the journal.

    The log is kept, and recorded, however the run ends.
    """
    if not wanted:
        yield
        return
    from ..journal.entry import Record
    from ..report.evidence import exclusive

    environment = context.config.name_of(said)
    app = context.config.environment(environment).app
    path = context.evidence / f"ship_{app}_{context.now():%Y%m%dT%H%M%S_%fZ}.log"
    with exclusive(path) as stream:
        context.screen.log = stream
        context.screen.fact("log", context.shown(path))
        try:
            yield
        except (RoadworthyError, KeyboardInterrupt) as error:
            stream.write(f"{error or 'interrupted'}\n")  # its last line is said after this log is closed
            raise
        finally:
            context.screen.log = None
            stream.flush()
            data = path.read_bytes()
            details = {
                "change": {"id": "", "why": "evidence of a ship"},
                "log": {"name": path.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)},
            }
            record = Record("note", "completion", "ship", environment, context.target, "none", "", details)
            context.log(environment).append(record, attach={path.name: data})
