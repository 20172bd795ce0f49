"""A release to production that every guard lets pass; each test changes what it is about."""

from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from roadworthy import guard
from roadworthy.config import Environment
from roadworthy.facts.migrations import Migration, Migrations
from roadworthy.facts.standing import Done, Standing
from roadworthy.git import Tree
from roadworthy.model import (
    Certified,
    CiState,
    Deployed,
    Eligibility,
    Fact,
    Facts,
    History,
    Keys,
    Observed,
    Package,
    Plan,
    Processes,
    ReleasePackage,
    Request,
    RollbackTarget,
    Verdict,
)

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2030, 1, 2, 12, tzinfo=UTC)
NEW = Package("c" * 40, "d" * 64, 1000)
OLD = Package("1" * 40, "2" * 64, 900)
OLDER = Package("3" * 40, "4" * 64, 800)
SLUG = "01234567-89ab-cdef-0123-456789abcdef"
PROD = Environment(app="capecraft", production=True, certified_in="staging")
STAGING = Environment(app="autorisen")
BOTH = Keys("1", "YES")


def deployed(package: Package, revision: str | None = "0002", artifact: str = "") -> Deployed:
    return Deployed(package, 7, artifact, 3, "2030-01-01T00:00:00Z", revision)


def migration(
    revision: str, *parents: str, safe_under: str = "expand", code_first: bool | None = True
) -> Migration:
    return Migration(revision, parents, safe_under, code_first, f"migrations/versions/{revision}.py")


def migrations(*more: Migration) -> Migrations:
    """0001 and 0002, which the database has, and `more`."""
    return Migrations((migration("0001"), migration("0002", "0001"), *more))


CERTIFIED = Certified(
    NEW.digest, NEW.commit, 9, "2030-01-05T00:00:00Z", "e" * 64, "e" * 64, ".release/autorisen_certified"
)

PASSED = Done("build", 1, 2, "2030-01-01T00:00:00Z", "2030-01-01T00:00:01Z", NEW.digest, "f" * 64, {}, {})
ACCEPTED = replace(PASSED, action="accept", details={"checks": {"load-release-package": "success"}})
STANDING = Standing(replace(PASSED, action="intake", digest=""), PASSED, ACCEPTED, PASSED)

# What is known before a deploy; after it, the new package runs.
KNOWN = {
    "tree": Tree(NEW.commit, "main", True, (), False),
    "package": NEW,
    "start_commands": (Processes({"web": "python -m app", "release": "echo hi"}, "echo hi"),),
    "ci": CiState("success", "GitHub's check 'test'"),
    "certificate": CERTIFIED,
    "migrations": migrations(migration("0003", "0002")),
    "revision": "0002",
    "history": History((deployed(OLD), deployed(OLDER)), "0002"),
    "observed": Observed("https://cape-control.com", False, (), (), OLD.digest, OLD.commit),
    "drift": (),
    "blockers": (),
    "back": RollbackTarget(deployed(OLD), True),
    "eligible": Eligibility(STANDING, ("load-release-package",)),
    "credentials": (),
    "config": {},
    "older": False,
}
RUNNING = {
    "history": History((deployed(NEW), deployed(OLD)), "0002"),
    "observed": Observed("https://cape-control.com", False, (), (), NEW.digest, NEW.commit),
}


def facts_of(action: str, environment: Environment = PROD, **known: object) -> Facts:
    """Facts for an action; a `Fact` stands for itself, anything else is what is known."""
    values = {**KNOWN, **({} if action == "deploy" else RUNNING), **known}
    name = "prod" if environment.production else "staging"
    facts = {key: value if isinstance(value, Fact) else Fact(key, value) for key, value in values.items()}
    return Facts(now=NOW, name=name, environment=environment, target="sandbox", **facts)


def plan_of(action: str, environment: Environment = PROD, **asked: object) -> Plan:
    """The plan for an action; `asked` changes its request."""
    package = OLD if action == "rollback" else NEW
    steps = (ReleasePackage(package),) if action in ("deploy", "rollback") else ()
    name = "prod" if environment.production else "staging"
    request = replace(Request(action, name, approval="CAB-17", keys=BOTH), **asked)
    return Plan(request, environment.app, steps, package, {}, {})


def ask(name: str, plan: Plan, facts: Facts) -> Verdict:
    """The verdict of one guard of this repository."""
    guards = [g for g in guard.load(ROOT, plan.request.action) if g[0].__name__ == name]
    (verdict,) = guard.evaluate(guards, plan, facts)
    return verdict


def asked(
    name: str, action: str, environment: Environment = PROD, plan: dict | None = None, **known: object
) -> Verdict:
    """The verdict on an otherwise good release: `plan` changes the request, `known` the facts."""
    return ask(name, plan_of(action, environment, **(plan or {})), facts_of(action, environment, **known))


def refused(verdict: Verdict, *words: str) -> bool:
    """The verdict is a refusal of one line that holds all of these words and says what to do next."""
    assert verdict.outcome == "refuse", verdict
    assert "\n" not in verdict.reason and len(verdict.reason) < 300
    assert ":" in verdict.reason or ";" in verdict.reason, "a refusal says what to do next"
    for word in words:
        assert word in verdict.reason, verdict.reason
    assert "the guard itself failed" not in verdict.reason
    return True
