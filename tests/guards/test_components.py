"""components_are_whole, and what package_is_pinned and deploy_guard say of several components."""

import pytest
from msgspec.structs import replace
from release_facts import NEW, OLD, SLUG, ask, asked, deployed, facts_of, plan_of, refused

from roadworthy.config import Environment
from roadworthy.model import History, Keys, Package, Plan, ReleasePackage

WEB = replace(NEW, component="web")
WORKER = replace(NEW, digest="9" * 64, component="worker")
BOTH = Package.together((WEB, WORKER))
APPS = Environment(
    app="capecraft", apps={"worker": "capecraft-worker"}, production=True, certified_in="staging"
)
STEPS = (ReleasePackage(WEB, app="capecraft"), ReleasePackage(WORKER, app="capecraft-worker"))
HISTORY = History((deployed(OLD),), "0002", parts={"web": History(), "worker": History()})


def whole(package: Package = BOTH, steps: tuple[ReleasePackage, ...] = STEPS) -> Plan:
    return replace(plan_of("deploy", APPS), package=package, steps=steps)


def verdict(name: str, plan: Plan, history: History = HISTORY):
    return ask(name, plan, facts_of("deploy", APPS, history=history))


def test_a_package_of_one_component_is_not_asked():
    assert asked("components_are_whole", "deploy").outcome == "n/a"
    assert asked("components_are_whole", "rollback").outcome == "n/a"


def test_whole_components_each_for_its_own_app_pass():
    assert verdict("components_are_whole", whole()).outcome == "pass"
    assert verdict("package_is_pinned", whole()).outcome == "pass"


def test_a_digest_that_is_not_the_components_refuses():
    assert refused(verdict("components_are_whole", whole(replace(BOTH, digest="0" * 64))), "invoke build")


def test_components_of_two_commits_refuse():
    mixed = Package.together((WEB, replace(WORKER, commit=OLD.commit)))
    assert refused(verdict("components_are_whole", whole(mixed)), "not every component")


@pytest.mark.parametrize("app", ["", "capecraft", "autorisen"])
def test_a_component_for_another_app_refuses(app):
    steps = (STEPS[0], replace(STEPS[1], app=app))
    assert refused(verdict("components_are_whole", whole(steps=steps)), "'worker'", "not its own")


def test_a_step_of_no_component_of_the_package_is_not_pinned():
    steps = (STEPS[0], ReleasePackage(replace(WORKER, digest="8" * 64), app="capecraft-worker"))
    assert refused(verdict("package_is_pinned", whole(steps=steps)), "888888888888")


def test_a_slug_that_another_package_of_the_component_had_is_not_pinned():
    steps = (STEPS[0], replace(STEPS[1], artifact=SLUG))
    ran = History((deployed(replace(WORKER, digest="7" * 64), artifact=SLUG),))
    history = replace(HISTORY, parts={"web": History(), "worker": ran})
    assert refused(verdict("package_is_pinned", whole(steps=steps), history), SLUG)
    assert verdict("package_is_pinned", whole(steps=steps)).outcome == "pass"


def test_each_app_of_production_asks_for_the_key():
    plan = replace(whole(), request=replace(whole().request, keys=Keys("1", "")))
    assert refused(verdict("deploy_guard", plan), "ALLOW_PROD_DEPLOY=YES")
    assert verdict("deploy_guard", whole()).outcome == "pass"
