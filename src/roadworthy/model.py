"""The values that travel the road: frozen, without behaviour that reads or changes anything.

A `Request` is what a person or CI asked for. `Facts` are what was read, once, before deciding. A `Plan` is
what would be done. `Verdict`s say whether it may. A `Receipt` is what a step left behind. An `Outcome` is
how it ended: *unknown is never success and never failure*.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from .compatibility import ARTIFACT, SOURCE, Renamed, release_name
from .errors import RoadworthyError
from .mask import Masked

if TYPE_CHECKING:
    from .config import Environment
    from .facts.migrations import Migration, Migrations
    from .facts.policy import PolicyState
    from .facts.standing import Standing
    from .git import Tree


class Outcome(StrEnum):
    """How an action ended. `unknown` stays open in the journal until someone has looked.

    `superseded` is neither a success nor a failure: a newer commit got there first, and nothing was changed.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"


_OF_CODE = {
    3: Outcome.REFUSED,
    4: Outcome.UNKNOWN,
    6: Outcome.SUPERSEDED,
    42: Outcome.REFUSED,
}  # what an exit code says of how a command ended; any other but 0 is a failure


def outcome_of(error: RoadworthyError) -> Outcome:
    """What an error says of how the command ended."""
    return _OF_CODE.get(error.code, Outcome.FAILED)


class Package(msgspec.Struct, frozen=True):
    """What is deployed: built once per commit, named by digest.

    `file` is "" when it is not on this machine. `ref` is where an image is (`registry/name@sha256:…`), and
    `config` the digest of its config (`sha256:…`), by which it may be released; "" of one for several platforms.

    `found` says that an image was found under its tag, and that nobody knows on record who built it.

    A release of several components has `parts`: a package of each `component`, in the order in which they are
    deployed. Its own digest is `digest_of` theirs.
    """

    commit: str
    digest: str
    size: int
    file: str = ""
    kind: str = SOURCE
    ref: str = ""
    config: str = ""
    component: str = ""
    parts: tuple[Package, ...] = ()
    found: bool = False

    @property
    def name(self) -> str:
        """The subject of its journal entries."""
        return f"{self.kind}:{self.commit}"

    @property
    def each(self) -> tuple[Package, ...]:
        """What the platform runs, app by app: the parts, or this very package."""
        return self.parts or (self,)

    @classmethod
    def together(cls, parts: tuple[Package, ...]) -> Package:
        """The release of several components of one commit."""
        digest = digest_of({part.component: part.digest for part in parts})
        return cls(parts[0].commit, digest, sum(part.size for part in parts), kind=parts[0].kind, parts=parts)


def digest_of(components: Mapping[str, str]) -> str:
    """The digest of a release of several components: of the list that sha256sum writes of them, by name.

    `printf '%s  %s\\n' DIGEST api DIGEST web | sha256sum` gives it, whatever order they are deployed in. It is ""
    while one of them has none.
    """
    if not all(components.values()):
        return ""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(components.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


# ---- what is asked ---------------------------------------------------------------------------------------


class Keys(msgspec.Struct, frozen=True):
    """The two keys of production, and where a forbidden copy of one was found.

    `allow_prod` and `allow_prod_deploy` are the values of the process environment; `misplaced` names the
    files (`.env`, `release.toml`) in which somebody wrote one, which is itself a refusal (architecture §6).
    """

    allow_prod: str = ""
    allow_prod_deploy: str = ""
    misplaced: tuple[str, ...] = ()


class Request(Masked, frozen=True):
    """One action on one environment, and why.

    `to` is the rollback target as the person wrote it; in a ship's migration and completion it is the digest of
    the only package that they may be about. `then` are the actions that the command will take after this one: their
    guards are asked with its own. `config` are config vars with their new values, None for those that are to go, of
    the app of `component` ("" is the first).
    """

    HIDES = ("config",)

    action: str
    environment: str
    commit: str = ""
    change: str = ""
    why: str = ""
    to: str = ""
    approval: str = ""
    maintenance: bool = False
    wait: float = 0.0  # seconds for which it may wait while another release holds the environment
    automatic: bool = False  # asked by the road itself: the rollback of a failed deploy
    replay: bool = False  # an existing package goes through the stages again
    then: tuple[str, ...] = ()
    config: Mapping[str, str | None] = {}
    component: str = ""
    keys: Keys = Keys()
    said: tuple[str, ...] = ()  # the command and its options as a person said them, to be said again


# ---- what is read ----------------------------------------------------------------------------------------

K = TypeVar("K")
T = TypeVar("T")


class MissingFact(RoadworthyError):
    """A guard needed a fact that could not be read; doubt refuses."""


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A fact, or the reason why it is missing. `reads` collects the names of the facts a guard looked at.

    `assumed` says why nobody was asked for it, where it is taken from what is known of before.
    """

    name: str
    known: T | None = None
    missing: str = ""
    assumed: str = ""
    reads: list[str] | None = field(default=None, compare=False)

    @property
    def value(self) -> T:
        """The fact; raises MissingFact with the reason when it could not be read."""
        if self.reads is not None and self.name not in self.reads:
            self.reads.append(self.name)
        if self.missing:
            raise MissingFact(self.missing)
        return self.known  # type: ignore[return-value]  # a fact without `missing` was read; None may be its value


class PlatformRelease(Renamed, msgspec.Struct, frozen=True):
    """One release as the platform lists it; the newer of two has the higher `order`, and people say its `name`.

    `artifact` is the platform's own id of what it runs, "" where nobody can tell; `image` says that this is an
    image. `deploys` is the image that this very release brought, as its claim names it; "" of one that only changed
    settings, and of any other kind of package. `mark` is the token that a start of ours left on it; `sets_mark`
    says that it changed settings, and left its token among them.
    """

    order: int
    status: str
    current: bool
    artifact: str
    description: str
    user: str
    created_at: datetime
    name: str = ""
    deploys: str = ""
    mark: str = ""
    sets_mark: bool = False
    image: bool = False


class Fence(msgspec.Struct, frozen=True):
    """What keeps a late request of a start from having an effect, once it is closed; it never holds the secret.

    `kind` is `credential`: a key of the start's own, which is revoked. `id` is the platform's name of it, `expires`
    the moment at which it ends by itself (UTC).
    """

    kind: str
    id: str
    expires: str


class Claim(msgspec.Struct, frozen=True):
    """What a start says by which its release can be recognised: its `token`, which stands on the release.

    `before` is the newest release when the start was written: a list that does not reach back to it tells nothing.
    0 is untold. A release of an image takes no token. It is recognised by being newer than `before`, and of
    `image` (12 digits of its config's digest); "" is that of a source archive. `marked` is a change of settings:
    one of them carries the token, and the release says that it set that one.
    """

    token: str
    before: int = 0
    image: str = ""
    marked: bool = False


class Found(msgspec.Struct, frozen=True):
    """The platform shows the release that a start made."""

    release: PlatformRelease


class Absent(msgspec.Struct, frozen=True):
    """Surely no release of that start is there; one whose request is still on its way may come."""


class CannotTell(msgspec.Struct, frozen=True):
    """What the platform shows neither proves the effect nor rules it out: `why`."""

    why: str


Sought = Found | Absent | CannotTell
"""What is known of the effect of a start, looked for by its claim."""


class Process(msgspec.Struct, frozen=True):
    """One process as the platform lists it; `release` is the order of the release that it runs."""

    name: str
    type: str
    state: str
    release: int
    command: str = ""


class Observed(Renamed, msgspec.Struct, frozen=True):
    """What the platform says about one app: newest release first, and the package that the newest one is.

    Of an environment with several components it is what their first app shows, with the `digest` of what all of
    them run, and maintenance mode when any of them is in it; `parts` are the apps, by component, in order.
    """

    url: str
    maintenance: bool
    releases: tuple[PlatformRelease, ...]
    processes: tuple[Process, ...]
    digest: str = ""  # of the newest release's package, "" when it has none
    commit: str = ""
    parts: Mapping[str, Observed] = {}

    def of(self, component: str) -> Observed:
        """What one component runs; "" is the only one, or the first. Raises MissingFact where it has no app."""
        if component and component not in self.parts:
            raise MissingFact(f"component {component!r} has no app here")
        return self.parts[component] if component else next(iter(self.parts.values()), self)

    def as_of(self, package: Package) -> Observed:
        """What the apps of this package's components show, and nothing of a component that is no part of it.

        A package from before there were several components is the first one's. Raises MissingFact as `of` does.
        """
        if not package.parts or not self.parts:
            return self.of("")
        parts = {part.component: self.of(part.component) for part in package.parts}
        return msgspec.structs.replace(
            next(iter(parts.values())),
            maintenance=any(one.maintenance for one in parts.values()),
            digest=digest_of({component: one.digest for component, one in parts.items()}),
            parts=parts,
        )

    def apart_from(self, package: Package) -> Mapping[str, Observed]:
        """The components that are no part of this package, with what their apps show."""
        ours = {part.component for part in package.parts} or set(list(self.parts)[:1])
        return {component: one for component, one in self.parts.items() if component not in ours}

    @property
    def urls(self) -> Mapping[str, str]:
        """The address of each component; "" is the only one, or the first."""
        return {"": self.url, **{component: seen.url for component, seen in self.parts.items()}}

    def name_of(self, order: int) -> str:
        """How people name the release of this order; "" of none (0)."""
        return next((r.name for r in self.releases if r.order == order), release_name(order))

    @property
    def current(self) -> PlatformRelease | None:
        """The newest release that did not fail; None before the first."""
        return next((r for r in self.releases if r.status != "failed"), None)


class Deployed(Renamed, msgspec.Struct, frozen=True):
    """A package that the journal says was verified in an environment; `revision` is the database's, then.

    `release` and `artifact` are those of the first component's app; `parts` are those of each of several.
    """

    package: Package
    release: int
    artifact: str
    seq: int
    at: str
    revision: str | None = None
    parts: Mapping[str, Deployed] = {}

    def of(self, component: str) -> Deployed:
        """The deployment of one component; "" is the only one."""
        return self.parts[component] if component else self


class Proof(msgspec.Struct, frozen=True):
    """An entry of a journal of the same target that proves an action's success; `sha256` is its digest."""

    action: str
    environment: str
    seq: int
    sha256: str


class Certified(msgspec.Struct, frozen=True):
    """A certificate as the journal holds it, with the digest that its file must have."""

    package_digest: str
    commit: str
    seq: int
    expires: str
    file_sha256: str
    file_found: str  # sha256 of the file on disk, "" when there is none
    path: str
    proof: Proof | None = None


class Newest(Sequence[T]):
    """What a long journal says, newest first, and read only as far back as somebody looks."""

    def __init__(self, found: Iterator[T]) -> None:
        self._found, self._seen = found, list[T]()
        self._broken: Exception | None = None

    def __len__(self) -> int:
        self._look(self._found)
        return len(self._seen)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __iter__(self) -> Iterator[T]:
        for at in count():
            if at == len(self._seen):
                self._look(islice(self._found, 1))
            if at == len(self._seen):
                return
            yield self._seen[at]

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...

    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return (*islice(self, index.start, index.stop, index.step),)
        for one in islice(self, index, None):
            return one
        raise IndexError(index)

    def _look(self, further: Iterator[T]) -> None:
        # A generator that raised has an end afterwards, which is not the journal's beginning.
        if self._broken:
            raise self._broken
        try:
            self._seen += further
        except Exception as error:
            self._broken = error
            raise


class Later(Mapping[K, T]):
    """A mapping that is read when somebody looks."""

    def __init__(self, read: Callable[[], Mapping[K, T]]) -> None:
        self._read = functools.cache(read)

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[K]:
        return iter(self._read())

    def __getitem__(self, key: K) -> T:
        return self._read()[key]


def _nobodys(release: PlatformRelease) -> str:
    return ""


def _all_named(releases: Sequence[PlatformRelease]) -> tuple[PlatformRelease, ...]:
    return ()


class History(msgspec.Struct, frozen=True):
    """What the journal of one environment says: verified packages, newest first, and the schema revision.

    `complete` is the number of the completion of what runs, 0 where none stands. `incomplete` are the packages
    (digests) whose newest completion said NO, each with the number of the entry that says so.

    `known` are the releases that may be the platform's current one, newest first, each as its number and its
    artifact: the last verified, and what failed after it. `claims` are those of starts since then
    whose release may be there unrecorded: given up, or open. `maintenance` says that an action of ours may have
    left maintenance mode on. `parts` is the same of each of several components: `deployed`, `known` and `claims`
    are then those of its own packages and its own app. `given_up` are the components that were deployed with what
    runs and are declared no more. `late` says of a release which start of ours made it, though it was settled
    without it; "" of anybody else's. `unnamed` are those of the platform's releases that have a mark of ours and
    that no outcome names.
    """

    deployed: Sequence[Deployed] = ()
    revision: str | None = None
    certified: Sequence[Certified] = ()
    complete: int = 0
    incomplete: Mapping[str, int] = {}
    known: tuple[tuple[int, str], ...] = ()
    claims: tuple[Claim, ...] = ()
    maintenance: bool = False
    parts: Mapping[str, History] = {}
    given_up: tuple[str, ...] = ()
    late: Callable[[PlatformRelease], str] = _nobodys
    unnamed: Callable[[Sequence[PlatformRelease]], tuple[PlatformRelease, ...]] = _all_named

    def of(self, component: str) -> History:
        """The history of one component; "" is the only one, or the first."""
        return self.parts[component] if component else next(iter(self.parts.values()), self)

    @property
    def running(self) -> Deployed | None:
        """The package that should be running."""
        return self.deployed[0] if self.deployed else None

    @property
    def previous(self) -> Deployed | None:
        """The last verified package before the running one that was not found incomplete: where a rollback goes."""
        if not self.deployed:
            return None
        left = {self.deployed[0].package.digest, *self.incomplete}
        return next((d for d in self.deployed if d.package.digest not in left), None)


class Drift(msgspec.Struct, frozen=True):
    """One change made outside roadworthy; `what` is release or maintenance, `do` what to do next.

    `who` and `when` (UTC) are "" where the platform does not tell; `component` is "" of a project that has one.
    """

    what: str
    journal: str
    seen: str
    who: str
    when: str
    do: str
    component: str = ""

    def __str__(self) -> str:
        of = f" of {self.component}" if self.component else ""
        return f"{self.what}{of} {self.seen}, the journal says {self.journal}: {self.do}"


class StageRun(msgspec.Struct, frozen=True):
    """The run that tested a commit, as its source tells it; None is what that source does not say.

    `commit` is the one that was tested: with a squash another than the one that is released. `workflow` is the
    name of its file, `suite` is GitHub's check suite, `seconds` how long all of it took.
    """

    commit: str
    id: int | str
    url: str = ""
    status: str | None = None
    conclusion: str | None = None
    updated: str | None = None
    workflow: str | None = None
    number: int | None = None
    event: str | None = None
    branch: str | None = None
    pull_request: int | None = None
    suite: int = 0
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CiState:
    """The test result of one commit: `outcome` as its source says it, `source` in words, `url` to look at."""

    outcome: str
    source: str
    url: str = ""
    proof: Proof | None = None  # where the journal itself holds the run
    run: StageRun | None = field(default=None, compare=False)  # what was read of the run itself


class Blocker(msgspec.Struct, frozen=True):
    """An open problem that stops a release to production."""

    id: str
    priority: str
    summary: str


class RollbackTarget(msgspec.Struct, frozen=True):
    """Where a rollback would go, and whether that package can still be had: from the platform, or from us."""

    deployed: Deployed
    available: bool
    why_not: str = ""
    on_platform: frozenset[str] = frozenset()  # the digests of the packages that the platform still has


class Usual(msgspec.Struct, frozen=True):
    """How one check was answered: how often asked, how often failed, the median time of what passed (ms)."""

    asked: int
    failed: int
    millis: int


class Credential(msgspec.Struct, frozen=True):
    """A variable that acceptance would get: the production credentials that have the same value, and the
    production apps that it opens.
    """

    name: str
    same_as: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()


class Eligibility(msgspec.Struct, frozen=True):
    """How far a package has come, and which acceptance checks this environment's change requires of it."""

    standing: Standing
    required: tuple[str, ...]


class Processes(msgspec.Struct, frozen=True):
    """The start commands of one component, by process type; `release_phase` is what release.toml declares."""

    commands: Mapping[str, str]
    release_phase: str = ""
    component: str = ""


class Facts(Renamed, msgspec.Struct, frozen=True):
    """Everything a plan or a guard may look at, read once with one clock."""

    now: datetime
    name: str  # of the environment
    environment: Environment
    target: str
    tree: Fact[Tree]
    package: Fact[Package]
    start_commands: Fact[tuple[Processes, ...]]  # of each component; of an image, none
    ci: Fact[CiState]
    certificate: Fact[Certified | None]
    migrations: Fact[Migrations]
    revision: Fact[str | None]
    history: Fact[History]
    observed: Fact[Observed]
    drift: Fact[tuple[Drift, ...]]
    blockers: Fact[tuple[Blocker, ...]]
    back: Fact[RollbackTarget | None]
    eligible: Fact[Eligibility]
    credentials: Fact[tuple[Credential, ...]]
    config: Fact[Mapping[str, str]]  # the config vars that are about to change, with their values
    older: Fact[bool]  # whether the package's commit is an ancestor of the one that runs
    baseline: Fact[Mapping[str, Usual]] = Fact("baseline", missing="it was not measured")
    policy: Fact[PolicyState] = Fact("policy", missing="it was not read")
    standing: Fact[Standing] = Fact("standing", missing="it was not read")


# ---- what would be done ----------------------------------------------------------------------------------


class ReleasePackage(Renamed, msgspec.Struct, frozen=True):
    """Step: make `package` the app's release. `artifact` is its id on the platform when it is already there.

    `app` is the component's; "" is the plan's own.
    """

    package: Package
    artifact: str = ""
    app: str = ""


class RunCommand(msgspec.Struct, frozen=True):
    """Step: run `command` as a one-off process of the app's current release; its exit status decides."""

    command: str


class SetConfig(Masked, frozen=True):
    """Step: give config vars these values, None to take one away; `app` as of a release. The values are secrets."""

    HIDES = ("values",)

    values: Mapping[str, str | None]
    app: str = ""
    component: str = ""


class Maintenance(msgspec.Struct, frozen=True):
    """Step: turn the app's maintenance mode on or off; `app` as of a release."""

    on: bool
    app: str = ""


Step = ReleasePackage | RunCommand | SetConfig | Maintenance


class Watch(msgspec.Struct, frozen=True):
    """The degradation window of a deploy: `millis` long, with the answers `before` it of each check.

    `errors`, `slower` and `noise` (ms) are what it forgives: `[watch]` of the configuration. A check that is
    not in `before` has no baseline.
    """

    millis: int
    errors: int
    slower: int
    noise: int
    before: Mapping[str, Usual]


class Plan(msgspec.Struct, frozen=True):
    """What an action would do. `already` says why nothing is left to do.

    `pending` are the revisions of the migrations that are pending, and `migrations` what is known of each.
    """

    request: Request
    app: str
    steps: tuple[Step, ...]
    package: Package | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    already: str = ""
    pending: tuple[str, ...] = ()
    migrations: tuple[Migration, ...] = ()
    watch: Watch | None = None


class Verdict(msgspec.Struct, frozen=True):
    """A guard's answer: `outcome` is pass, refuse, n/a or not asked; `rule` in one line; `sha256` is its file's.

    Not asked is what would pass, and rests on a fact that nobody was asked for: `reason` says why.
    """

    guard: str
    outcome: str
    reason: str
    rule: str
    sha256: str
    reads: tuple[str, ...] = ()
    code: int = 3


# ---- what was left behind --------------------------------------------------------------------------------


class Receipt(msgspec.Struct, frozen=True):
    """What a step left behind: the platform's release number and artifact, or a one-off's status and output.

    `component` is the one that was released, "" of a project that has one.
    """

    step: str
    millis: int
    release: int = 0
    artifact: str = msgspec.field(default="", name=ARTIFACT)
    component: str = ""
    exit_status: int | None = None
    output: tuple[str, ...] = ()


class Confirmation(msgspec.Struct, frozen=True):
    """What a stage saw when it looked again: `problems` is empty when everything is as planned."""

    problems: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}
    attach: Mapping[str, bytes] = {}  # evidence files by name


class Result(msgspec.Struct, frozen=True):
    """How a command ended: for the last line, the JSON and the exit code.

    `reasons` are the refusals or problems, each with what to do next; `evidence` is a path; `details` are
    what was found, as plain values. `next` are the commands that lead on, in order, where it knows them
    better than `what_next.py` does.
    """

    outcome: Outcome
    line: str
    plan: Plan | None = None
    verdicts: tuple[Verdict, ...] = ()
    seq: int = 0
    evidence: str = ""
    details: Mapping[str, Any] = {}
    reasons: tuple[str, ...] = ()
    code: int = 0
    next: tuple[str, ...] = ()


class Paths(msgspec.Struct, frozen=True):
    """Where releases leave things: `root` is the project; `state` is `.release`, or a rehearsal's own."""

    root: Path
    state: Path

    @property
    def journal(self) -> Path:
        """The journals, when the store is a folder."""
        return self.state / "journal"

    @property
    def packages(self) -> Path:
        """The packages by commit."""
        return self.state / "packages"

    @property
    def sandbox(self) -> Path:
        """The sandbox's own state."""
        return self.state / "sandbox"
