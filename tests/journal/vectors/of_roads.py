"""Cases of what only an auditor asks: the stages of a package, what runs, as it was built, its components.

Who merely follows the chain reads these logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .testkit import File, Fill, Special
from .writing import DIGEST, OTHER, OURS, PACKAGE, Log, bad, good, sha

AUDITORS: dict[str, Any] = {"reader": "good"}


def package(*stages: str, place: str = OURS, **said: Any) -> Log:
    """The log of a package: each stage "ACTION", which ended well, or "ACTION KIND". An intake names no package."""
    log = Log(f"sandbox/{place}")
    for stage in stages:
        action, _, kind = stage.partition(" ")
        log.did(action, kind or "end", stage=action, **({"subject": ""} if action == "intake" else said))
    return log


IN_ORDER = {
    "each once": ["intake", "build", "accept", "release"],
    "tests at any time": ["test", "intake", "test failed", "build", "test", "accept", "release", "test"],
    "a NO, then a YES": ["intake", "build", "accept failed", "accept", "release"],
    "accepted again": ["intake", "build", "accept", "release", "accept", "release"],
    "a YES taken back, and given again": [
        "intake",
        "build",
        "accept",
        "release",
        "accept failed",
        "accept",
        "release",
    ],
    "an intake that was refused": ["intake failed", "intake", "build", "accept", "release"],
    "taken in again": ["intake", "build", "intake failed", "intake", "accept", "release"],
    "an intake that was refused after the release": ["intake", "build", "accept", "release", "intake failed"],
    "what failed or was given up": [
        "intake",
        "build failed",
        "build abandon",
        "build",
        "accept abandon",
        "accept",
    ],
    "who lost a race and gave up": ["release abandon", "accept abandon", "build abandon", "intake", "build"],
}
OUT_OF_ORDER = {
    "a build before the intake": ["build"],
    "a build after an intake that was refused": ["intake failed", "build"],
    "a build after an intake that was given up": ["intake abandon", "build"],
    "an acceptance before the build": ["intake", "accept"],
    "an acceptance after a build that failed": ["intake", "build failed", "accept"],
    "an acceptance after the intake was taken back": ["intake", "build", "intake failed", "accept"],
    "a release before the acceptance": ["intake", "build", "release"],
    "a release after tests alone": ["intake", "build", "test", "release"],
    "a release after a NO": ["intake", "build", "accept failed", "release"],
    "a release after a YES that was taken back": ["intake", "build", "accept", "accept failed", "release"],
    "a release again after a NO": ["intake", "build", "accept", "release", "accept failed", "release"],
    "a release after the intake was taken back": ["intake", "build", "accept", "intake failed", "release"],
    "a release alone": ["release"],
}
for about, stages in IN_ORDER.items():
    good("stages", about, package(*stages))
for about, stages in OUT_OF_ORDER.items():
    bad("stages", "stage", about, package(*stages), **AUDITORS)
for stages in (["build"], ["build", "accept"], ["build", "accept", "release"]):
    log = package("intake", *stages[:-1]).did(stages[-1], stage=stages[-1], subject="")
    bad("stages", "package", f"a {stages[-1]} that names no package", log, **AUDITORS)
good("stages", "none of an environment", Log().did("release").did("build"))
bad(
    "one-package",
    "package",
    "another in the log of a package",
    package("test").did("test", digest=OTHER),
    file="00000003.json",
    **AUDITORS,
)
good("one-package", "what failed may be about another", package("test").add("refused", "test", digest=OTHER))

# ---- what runs ---------------------------------------------------------------------------------------------

for action in ("migrate", "certify", "config", "complete"):
    bad(
        "runs",
        "stage",
        f"a {action} of another package than runs",
        Log().did().did(action, digest=OTHER),
        **AUDITORS,
    )
    bad("runs", "stage", f"a {action} before any deploy", Log().did(action), **AUDITORS)
    good(
        "runs",
        f"a {action} of another package that failed",
        Log().did().did(action, "failed", digest=OTHER).did(action),
    )
for action in ("deploy", "rollback", "adopt"):
    good("runs", f"after a {action}", Log().did(action).did("certify"))
    good(
        "runs",
        f"after a {action} of another that failed",
        Log().did().did(action, "failed", digest=OTHER).did("certify"),
    )
    bad(
        "runs",
        "stage",
        f"a certificate of what ran before a {action}",
        Log().did().did(action, digest=OTHER).did("certify"),
        **AUDITORS,
    )

# ---- as it was built ---------------------------------------------------------------------------------------

LATE = {"at": "2026-11-20T18:30:00.000000Z"}
BUILT = package("intake", "build")


def deployed(digest: str = OTHER, **said: Any) -> Log:
    return Log("sandbox/fresh").did(digest=digest, **{**LATE, **said})


def path(seq: int) -> str:
    return f"journal/sandbox/{OURS}/{seq:08d}.json"


bad("as-built", "package", "another package", deployed(), BUILT, file="00000001.json", **AUDITORS)
bad(
    "as-built",
    "package",
    "an image of that commit",
    deployed(subject=PACKAGE.replace("slug", "image")),
    BUILT,
    file="00000001.json",
    **AUDITORS,
)
bad(
    "as-built",
    "package",
    "an end that names another commit than its start",
    Log("sandbox/fresh").did(digest=OTHER, start={"subject": "slug:" + "0" * 40}, **LATE),
    BUILT,
    **AUDITORS,
)
bad(
    "as-built",
    "package",
    "an end whose start names no package",
    Log("sandbox/fresh").did(digest=OTHER, start={"subject": ""}, **LATE),
    BUILT,
    **AUDITORS,
)
bad(
    "as-built",
    "package",
    "after others",
    deployed(DIGEST).did(subject="slug:" + "0" * 40, digest=OTHER, **LATE).did(digest=OTHER, **LATE),
    BUILT,
    file="00000005.json",
    **AUDITORS,
)
BUILT_OF_NOTHING: dict[str, tuple[Log, Mapping[str, File | None], Log]] = {
    "the same package": (deployed(DIGEST), {}, BUILT),
    "another commit": (deployed(subject="slug:" + "0" * 40), {}, BUILT),
    "something that is no package": (deployed(subject="slug:4b4b"), {}, BUILT),
    "a build that failed": (deployed(), {}, package("intake", "build failed")),
    "a deploy that failed": (Log("sandbox/fresh").did(kind="failed", digest=DIGEST, **LATE), {}, BUILT),
    "a build that was recorded when the deploy ran": (deployed(at="2026-11-20T18:00:00.000000Z"), {}, BUILT),
    "no log of the package": (deployed(), {}, Log("sandbox/else").add()),
    "an entry before the build gone": (deployed(), {path(2): None}, BUILT),
    "an entry before the build unreadable": (deployed(), {path(2): b"{}"}, BUILT),
    "an entry before the build a link": (
        deployed(),
        {path(2): Special("link", "../../moved"), "journal/moved": BUILT.files[path(2)]},
        BUILT,
    ),
    "an entry before the build too big": (deployed(), {path(2): Fill(b" ", 2**20 + 1)}, BUILT),
    "a log of the package that is a link": (
        deployed(),
        {
            **{path(n): None for n in range(1, 5)},
            f"journal/sandbox/{OURS}": Special("link", "../../kept"),
            **{f"kept/{n:08d}.json": BUILT.files[path(n)] for n in range(1, 5)},
        },
        BUILT,
    ),
    "a log of another package under that name": (
        deployed(),
        {
            path(n): package("intake", "build", place="package-" + "2" * 40).files[
                path(n).replace("4b" * 20, "2" * 40)
            ]
            for n in range(1, 5)
        },
        BUILT,
    ),
}
for about, (log, files, other) in BUILT_OF_NOTHING.items():
    good("as-built", about, log, other, files=files)

# ---- components --------------------------------------------------------------------------------------------

WEB, API = {"name": "web", "digest": "a" * 64}, {"name": "api", "digest": "b" * 64, "release": 3}
TOGETHER = sha(f"{'b' * 64}  api\n{'a' * 64}  web\n".encode())


def pair(components: Any, **said: Any) -> Log:
    return Log().add("start", digest=TOGETHER, to={"components": components}, **said)


good("components", "two that are together the package", pair([WEB, API]))
good(
    "components",
    "of an abandon of another package",
    pair([WEB, API]).add("abandon", settles=1, to={"components": [WEB]}, subject=""),
)
for value in (None, False, []):
    good("components", f"none, as {value}", pair(value))
NOT_TOGETHER: dict[str, Any] = {
    "another digest": [WEB, {**API, "digest": "c" * 64}],
    "another name": [WEB, {**API, "name": "apj"}],
    "two swapped": [{**WEB, "name": "api"}, {**API, "name": "web"}],
    "one left out": [WEB],
    "one more": [WEB, API, {"name": "worker", "digest": "c" * 64}],
    "one twice": [WEB, API, WEB],
    "a name twice": [WEB, {**API, "name": "web"}],
    "a digest in capitals": [WEB, {**API, "digest": "B" * 64}],
    "no digest": [WEB, {**API, "digest": ""}],
    "a digest that is a number": [WEB, {**API, "digest": 1}],
    "a name with a line end": [WEB, {**API, "name": "api\nweb"}],
    "a name with a path": [WEB, {**API, "name": "../api"}],
    "a name of 32 letters": [WEB, {**API, "name": "a" * 32}],
    "a name that is a list": [WEB, {**API, "name": ["api"]}],
    "a text": "web",
    "a number": 0,
    "an object": {"web": "a" * 64},
    "a list of texts": ["web", "api"],
    "one of many that is a number": [WEB, API, 1],
}
for about, value in NOT_TOGETHER.items():
    bad("components", "package", about, pair(value), **AUDITORS)
bad(
    "components",
    "package",
    "of a build, in its details",
    Log().add("start", digest=TOGETHER, details={"components": [WEB]}),
    **AUDITORS,
)
