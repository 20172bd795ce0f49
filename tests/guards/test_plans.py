"""What a deploy and a rollback would do: pure values of what is known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from release_facts import (
    CERTIFIED,
    NEW,
    OLD,
    OLDER,
    PASSED,
    PROD,
    ROOT,
    SLUG,
    STAGING,
    STANDING,
    deployed,
    facts_of,
    migration,
    migrations,
    plan_of,
)

from roadworthy import record
from roadworthy.actions import deploy, rollback
from roadworthy.context import Context
from roadworthy.errors import NoPackage
from roadworthy.model import (
    CiState,
    Deployed,
    Eligibility,
    Fact,
    History,
    Maintenance,
    Observed,
    Package,
    PlatformRelease,
    Process,
    Proof,
    ReleasePackage,
    RollbackTarget,
    RunCommand,
    Verdict,
    Watch,
    digest_of,
)

AT = datetime(2030, 1, 1, tzinfo=UTC)
CONTEXT = Context(ROOT, None, {"ROADWORTHY_TARGET": "sandbox"})  # type: ignore[arg-type]
UNWATCHED = replace(PROD, watch=0.0)


def release(version: int, slug: str = "", current: bool = False) -> PlatformRelease:
    return PlatformRelease(version, "succeeded", current, slug, "", "", AT, f"v{version}")


def seen(
    *releases: PlatformRelease, of: Package = OLD, maintenance: bool = False, **parts: Observed
) -> Observed:
    return Observed("https://x", maintenance, releases, (), of.digest, of.commit, parts)


def ran(package: Package, number: int, slug: str = SLUG, **parts: Deployed) -> Deployed:
    return Deployed(package, number, slug, 3, "2030-01-01T00:00:00Z", "0002", parts)


def planned(action: str = "deploy", maintenance: bool = False, **known: object):
    request = plan_of(action, maintenance=maintenance).request
    facts = facts_of(action, UNWATCHED, **known)
    return (deploy if action == "deploy" else rollback).plan(request, facts, CONTEXT.config)


RUNS_NEW = {
    "history": History((ran(NEW, 8), ran(OLD, 7)), "0002"),
    "observed": seen(release(8, SLUG, True), of=NEW),
    "migrations": migrations(),
}


def test_what_runs_verified_is_left_alone():
    plan = planned(**RUNS_NEW)
    assert plan.steps == () and plan.watch is None
    assert plan.already == f"{NEW.commit[:12]} already runs on capecraft as v8"
    assert planned(maintenance=True, **RUNS_NEW).steps == ()


def test_what_runs_is_deployed_again_under_maintenance_only_to_end_maintenance_mode():
    closed = {**RUNS_NEW, "observed": replace(RUNS_NEW["observed"], maintenance=True)}
    assert planned(**closed).already, "nobody asked for maintenance: whoever turned it on turns it off"
    plan = planned(maintenance=True, **closed)
    assert plan.already == ""
    assert plan.steps == (ReleasePackage(NEW, SLUG), Maintenance(False, ""))


def test_another_release_of_the_same_package_is_not_what_was_verified():
    changed = {**RUNS_NEW, "observed": seen(release(9, SLUG, True), release(8, SLUG), of=NEW)}
    assert planned(**changed).steps == (ReleasePackage(NEW, SLUG),)
    assert planned(**{**RUNS_NEW, "observed": seen(of=NEW)}).steps == (ReleasePackage(NEW),)


@pytest.mark.parametrize(
    ("before", "listed", "slug"),
    [
        ((ran(NEW, 5),), (release(7, "x", True), release(5, SLUG)), SLUG),
        ((ran(NEW, 5),), (release(7, "x", True), release(5, "y")), ""),  # the platform lists it no more
        ((ran(OLDER, 5),), (release(7, "x", True), release(5, SLUG)), ""),  # it is another package's
        ((ran(NEW, 4),), (release(7, SLUG, True), release(5, "y")), ""),  # before all that is listed
        ((ran(NEW, 5),), (release(7, SLUG, True), release(5, "y")), SLUG),
        ((ran(replace(NEW, kind="image"), 5),), (release(7, SLUG, True), release(5, "y")), SLUG),
        ((ran(NEW, 5),), (), ""),
    ],
)
def test_the_slug_that_the_platform_has_is_released_and_not_uploaded_again(before, listed, slug):
    history = History((ran(OLD, 7, "x"), *before), "0002")
    assert planned(history=history, observed=seen(*listed)).steps == (ReleasePackage(NEW, slug),)


def test_an_image_is_no_slug_of_the_platform():
    image = replace(NEW, kind="image")
    history = History((ran(OLD, 7, "x"), ran(image, 5)), "0002")
    listed = seen(release(7, "x", True), release(5, SLUG))
    assert planned(package=image, history=history, observed=listed).steps == (ReleasePackage(image),)


def test_under_maintenance_the_release_and_its_migrations_are_wrapped_in_it():
    more = migrations(migration("0003", "0002"))
    commands = CONTEXT.config.commands
    plan = planned(maintenance=True, migrations=more)
    migrating = (RunCommand(commands.migrate.replace("{revision}", "0003")), RunCommand(commands.revision))
    assert plan.pending == ("0003",)
    assert plan.steps == (Maintenance(True, ""), ReleasePackage(NEW), *migrating, Maintenance(False, ""))
    without = planned(maintenance=True, migrations=migrations())
    assert without.steps == (Maintenance(True, ""), ReleasePackage(NEW), Maintenance(False, ""))
    assert planned(migrations=more).steps == (ReleasePackage(NEW),)
    closed = planned(maintenance=True, migrations=migrations(), observed=seen(maintenance=True))
    assert closed.steps == (ReleasePackage(NEW), Maintenance(False, ""))


def test_a_plan_says_what_ran_and_what_is_to_run():
    plan = planned(observed=seen(replace(release(9), status="failed"), release(7, "x", True)))
    assert plan.before == {"commit": OLD.commit, "digest": OLD.digest, "release": 7, "newest": 9}
    assert plan.after == {"commit": NEW.commit, "digest": NEW.digest, "size": NEW.size}
    assert planned(observed=seen(of=replace(OLD, digest="", commit=""))).before["release"] == 0


BACK = RollbackTarget(ran(OLD, 7), True, "", frozenset({OLD.digest}))


def test_a_rollback_releases_the_old_slug_where_the_platform_has_it_and_else_its_bytes():
    observed = seen(release(8, "x", True), of=NEW)
    assert [step.artifact for step in planned("rollback", back=BACK, observed=observed).steps] == [SLUG]
    gone = replace(BACK, on_platform=frozenset())
    assert [step.artifact for step in planned("rollback", back=gone, observed=observed).steps] == [""]


def test_a_rollback_ends_maintenance_mode_for_it_must_be_seen_healthy():
    observed = seen(release(8, "x", True), of=NEW, maintenance=True)
    steps = planned("rollback", back=BACK, observed=observed).steps
    assert steps[1:] == (Maintenance(False, ""),)


def test_a_rollback_to_what_runs_does_nothing_unless_people_are_kept_out():
    known = {
        "back": BACK,
        "history": History((ran(OLD, 7),), "0002"),
        "observed": seen(release(7, SLUG, True)),
    }
    plan = planned("rollback", **known)
    assert (plan.steps, plan.already) == ((), f"{OLD.commit[:12]} already runs on capecraft")
    closed = planned("rollback", **{**known, "observed": seen(release(7, SLUG, True), maintenance=True)})
    assert closed.already == "" and closed.steps[1:] == (Maintenance(False, ""),)


def test_a_rollback_to_nothing_says_so():
    with pytest.raises(NoPackage, match="prod has no verified package to roll back to"):
        planned("rollback", back=None)


# ---- several components --------------------------------------------------------------------------------------

WEB, WORKER = (replace(OLD, digest=c * 64, component=name) for c, name in (("5", "web"), ("6", "worker")))
PAIR = replace(OLD, digest=digest_of({"web": WEB.digest, "worker": WORKER.digest}), parts=(WEB, WORKER))


class Two:
    """A project of two components; what only reads release.toml needs no more of one."""

    class config:
        commands = CONTEXT.config.commands

        @staticmethod
        def apps(environment: str) -> dict[str, str]:
            return {"web": "capecraft", "worker": "capecraft-worker"}


def pair(action: str, worker: int, left: tuple[int, ...] = (4,), state: str = "up", **known: object):
    """The web app runs something new; the worker runs release `worker`, and was verified as 4.

    `left` are the releases that the journal knows of it.
    """
    web = seen(release(8, "x", True), of=NEW)
    other = seen(release(worker, SLUG, True), of=WORKER)
    other = replace(other, processes=(Process("web.1", "web", state, worker),))
    observed = replace(web, digest="0" * 64, parts={"web": web, "worker": other})
    parts = {"web": ran(WEB, 7), "worker": ran(WORKER, 4)}
    whole = ran(PAIR, 7, **parts)
    known_of = {"web": (), "worker": tuple((number, SLUG) for number in left)}
    each = {name: History((one,), known=known_of[name]) for name, one in parts.items()}
    history = History((whole,), "0002", parts=each)
    back = RollbackTarget(whole, True, "", frozenset({WEB.digest}))
    facts = facts_of(action, UNWATCHED, history=history, observed=observed, package=PAIR, back=back, **known)
    module = deploy if action == "deploy" else rollback
    return module.plan(plan_of(action).request, facts, Two.config)


def test_components_are_deployed_in_their_order_each_on_its_app():
    steps = pair("deploy", 4).steps
    assert [(s.package.component, s.app, s.artifact) for s in steps] == [
        ("web", "capecraft", ""),
        ("worker", "capecraft-worker", SLUG),
    ]


def test_components_go_back_in_the_opposite_order_and_what_is_back_already_is_left():
    both = pair("rollback", 5)
    assert [(s.package.component, s.app, s.artifact) for s in both.steps] == [
        ("worker", "capecraft-worker", ""),
        ("web", "capecraft", SLUG),
    ]
    assert [told.get("release") for told in both.after["components"]] == [None, None]
    one = pair("rollback", 4)
    assert [s.package.component for s in one.steps] == ["web"]
    assert [(told["name"], told.get("release"), told.get("slug")) for told in one.after["components"]] == [
        ("web", None, None),
        ("worker", 4, SLUG),
    ]
    # A rollback that was cut off had brought it back already, as a release that the journal knows of it.
    again = pair("rollback", 6, left=(6, 4))
    assert [s.package.component for s in again.steps] == ["web"]
    assert again.after["components"][1]["release"] == 6
    crashed = pair("rollback", 4, state="crashed")
    assert [s.package.component for s in crashed.steps] == ["worker", "web"]


def test_a_package_of_two_does_not_run_where_only_one_of_them_is():
    assert pair("deploy", 4).already == ""
    assert deployed(PAIR).of("") == deployed(PAIR)


# ---- what a start of it names as its proofs ------------------------------------------------------------------


def ci_said(proof: Proof | None, outcome: str = "success") -> CiState:
    return CiState(outcome, "this repository's own test run", "", proof)


RUN, CERTIFICATE = Proof("test", "package-c", 4, "1" * 64), Proof("certify", "staging", 9, "2" * 64)
PROVEN = {
    "ci": ci_said(RUN),
    "certificate": replace(CERTIFIED, proof=CERTIFICATE),
}


def proven(action: str = "deploy", environment=PROD, plan=None, **known: object) -> list[tuple[str, int]]:
    facts = facts_of(action, environment, **{**PROVEN, **known})
    told = record.proofs(plan or plan_of(action), facts)
    return [(one["action"], one["seq"]) for one in told.get("proofs", ())]


def test_a_deploy_to_production_names_its_test_run_acceptance_release_and_certificate():
    assert proven() == [("test", 4), ("accept", 2), ("build", 2), ("certify", 9)]
    place = {one["environment"] for one in record.proofs(plan_of("deploy"), facts_of("deploy"))["proofs"]}
    assert place == {f"package-{NEW.commit}"}


def test_what_is_missing_failed_or_of_another_package_is_no_proof():
    missing = Fact("", missing="nobody knows")
    assert proven(ci=missing) == proven(ci=ci_said(RUN, "failure")) == proven(ci=ci_said(None))
    assert ("test", 4) not in proven(ci=missing)
    assert ("certify", 9) not in proven(certificate=missing)
    assert ("certify", 9) not in proven(certificate=replace(PROVEN["certificate"], package_digest=OLD.digest))
    assert proven(eligible=missing) == [("test", 4), ("certify", 9)]
    other = replace(STANDING, build=replace(PASSED, digest=OLD.digest))
    assert proven(eligible=Eligibility(other, ())) == [("test", 4), ("certify", 9)]
    assert proven(environment=STAGING) == [("test", 4), ("certify", 9)]
    assert proven("rollback") == proven(plan=replace(plan_of("deploy"), package=None)) == []
    assert record.proofs(plan_of("rollback"), facts_of("rollback", **PROVEN)) == {}
    assert (
        record.proofs(plan_of("deploy"), facts_of("deploy", STAGING, ci=missing, certificate=missing)) == {}
    )


# ---- a plan as a person reads it -----------------------------------------------------------------------------


def test_a_plan_is_one_line():
    plan = plan_of("deploy")
    assert record.describe(plan) == f"deploy {NEW.name[:17]} ({NEW.digest[:12]})"
    assert record.describe(replace(plan, already="it runs")) == "it runs"
    assert record.describe(replace(plan, package=None)) == "deploy capecraft"
    assert record.describe(replace(plan, watch=Watch(90_000, 0, 2, 100, {}))).endswith(
        ", then watch for 90 s"
    )
    assert record.describe(replace(plan, package=PAIR)).endswith(" of web, worker")
    changed = replace(
        plan, package=None, after={"vars": {"set": ["A", "B"], "unset": [], "component": "web"}}
    )
    assert record.describe(changed) == "deploy capecraft, set A, B"


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (ReleasePackage(NEW), f"release {NEW.commit[:12]} (sha256 {NEW.digest[:12]})"),
        (ReleasePackage(WEB, "", "app"), f"release web {OLD.commit[:12]} to app (sha256 {WEB.digest[:12]})"),
        (RunCommand("alembic upgrade head"), "run alembic upgrade head"),
        (Maintenance(True, ""), "turn maintenance on"),
        (Maintenance(False, "app"), "turn maintenance of app off"),
    ],
)
def test_a_step_is_a_few_words(step, line):
    assert record.name_of(step) == line


def test_every_entry_says_who_what_and_why():
    plan = replace(plan_of("deploy", change="CR-1", why="late", maintenance=True), before={"release": 7})
    told = record.said(plan)
    assert told["change"] == {"id": "CR-1", "why": "late"}
    assert (told["from"], told["to"], told["app"]) == ({"release": 7}, {}, "capecraft")
    assert (told["approval"], told["maintenance"]) == ("CAB-17", True)
    assert not {"automatic", "replay", "watch", "verdicts"} & told.keys()
    more = record.said(
        replace(plan, watch=Watch(5, 0, 2, 100, {})), (Verdict("one", "refuse", "no", "", ""),)
    )
    assert more["watch"]["millis"] == 5 and more["verdicts"][0]["outcome"] == "refuse"
    quiet = record.said(plan_of("deploy", approval="", automatic=True, replay=True))
    assert (quiet["automatic"], quiet["replay"], "approval" in quiet) == (True, True, False)
