"""The contract that every driver keeps, as `platforms/base.py` words it. What a platform is like, its site knows.

A new driver adds its site to SITES and changes nothing else.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import requests
from msgspec.structs import replace

from roadworthy.errors import CheckFailed, OutcomeUnknown, Unreachable, UsageError
from roadworthy.model import (
    Absent,
    CannotTell,
    Claim,
    Fence,
    Found,
    Maintenance,
    Package,
    Receipt,
    ReleasePackage,
    RunCommand,
    SetConfig,
    Step,
)
from roadworthy.platforms.base import Platform

from .on_heroku import OnHeroku
from .site import LIMITS, SECRET, App, Call, Site, Trouble

SITES: Final[dict[str, Callable[[], Site]]] = {"heroku": OnHeroku}
SHORT: Final = replace(LIMITS, http=0.5, release=1.0, boot=3.0)
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=SITES)
def started(request: pytest.FixtureRequest) -> Iterator[Site]:
    site = SITES[request.param]()
    yield site
    site.close()


@pytest.fixture
def site(started: Site) -> Iterator[Site]:
    yield started
    started.calm()


@pytest.fixture
def driver(site: Site) -> Platform:
    return site.driver()


@pytest.fixture
def app(site: Site) -> str:
    return site.app()


@pytest.fixture(scope="module")
def running(started: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Package]:
    """An app that runs a package: for what leaves its releases alone."""
    app, package = started.app(), started.package(tmp_path_factory.mktemp("package"))
    apply(started.driver(), app, ReleasePackage(package))
    return app, package


def mark() -> str:
    """A token that nobody used before, of the form that the road gives one."""
    return f"roadworthy staging#{next(_numbers)} {time.time_ns():024x}"[-60:]


def apply(driver: Platform, app: str, step: Step, token: str = "") -> Receipt:
    return driver.apply(app, step, token=token or mark(), progress=lambda phrase: None)


def newest(driver: Platform, app: str) -> int:
    releases = driver.observe(app).releases
    return releases[0].order if releases else 0


def settings(token: str, before: int) -> Claim:
    return Claim(token, before, marked=True)


# ---- release -------------------------------------------------------------------------------------------------


def test_a_release_runs_when_it_is_done_and_is_observed_and_found_by_its_mark(
    site: Site, driver: Platform, app: str, tmp_path: Path
) -> None:
    package, token, said = site.package(tmp_path), mark(), list[str]()
    receipt = driver.apply(app, ReleasePackage(package), token=token, progress=said.append)
    seen = driver.observe(app)
    assert seen.current is not None
    assert (seen.current.order, seen.digest, seen.commit) == (
        receipt.release,
        package.digest,
        package.commit,
    )
    assert [(process.release, process.state) for process in seen.processes] == [(receipt.release, "up")]
    assert requests.get(driver.url(app), timeout=5).ok, "it answers at once"
    assert (seen.current.mark, seen.current.sets_mark) == (token, False)
    assert driver.find(app, Claim(token)) == Found(seen.current)
    assert driver.named(app, seen.current.name) == seen.current, "people say its name"
    assert driver.package_of(app, seen.current) == (package.digest, package.commit)
    assert receipt.artifact == seen.current.artifact
    assert said, "progress says what comes next"


def test_an_artifact_that_the_platform_holds_is_released_without_the_packages_bytes(
    site: Site, driver: Platform, running: tuple[str, Package], app: str
) -> None:
    source, package = running
    there = driver.observe(source).current
    assert there is not None
    apply(driver, app, ReleasePackage(replace(package, file=""), there.artifact))
    assert driver.observe(app).digest == package.digest


def test_an_altered_package_is_no_release(site: Site, driver: Platform, app: str, tmp_path: Path) -> None:
    package, before = site.package(tmp_path), newest(driver, app)
    Path(package.file).write_bytes(b"altered")
    with pytest.raises(CheckFailed):
        apply(driver, app, ReleasePackage(package))
    assert newest(driver, app) == before


def test_progress_that_raises_stops_before_the_effect(
    site: Site, driver: Platform, app: str, tmp_path: Path
) -> None:
    def fence(phrase: str) -> None:
        raise KeyboardInterrupt

    token, before = mark(), newest(driver, app)
    with pytest.raises(KeyboardInterrupt):
        driver.apply(app, ReleasePackage(site.package(tmp_path)), token=token, progress=fence)
    assert newest(driver, app) == before
    assert driver.find(app, Claim(token)) == Absent()


@pytest.mark.parametrize(
    ("does", "trouble", "said"),
    [
        ("dies at boot", None, "no database: giving up"),
        ("serves", "fails", "failed"),
        ("serves", "refused", "refus|422|answered"),
    ],
    ids=lambda case: str(case or "-").partition(":")[0],
)
def test_a_release_that_surely_did_not_work_is_a_failure_with_its_last_words(
    site: Site, driver: Platform, app: str, tmp_path: Path, does: App, trouble: Trouble | None, said: str
) -> None:
    if trouble:
        site.trouble(app, "release", trouble)
    with pytest.raises(CheckFailed, match=said) as failed:
        apply(driver, app, ReleasePackage(site.package(tmp_path, does)))
    assert not isinstance(failed.value, Unreachable), "that is an error of reads"


def test_a_process_that_dies_after_its_start_is_observed(
    site: Site, driver: Platform, app: str, tmp_path: Path
) -> None:
    apply(driver, app, ReleasePackage(site.package(tmp_path, "dies later")))
    url = driver.url(app)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(requests.RequestException):  # a platform may start it again, once or more
            requests.get(f"{url}/die", timeout=5)
        if any(process.state == "crashed" for process in driver.observe(app).processes):
            return
    pytest.fail("nothing shows that it died")


# ---- an answer that is lost: no write is repeated without a look ----------------------------------------------


@pytest.mark.parametrize("trouble", ["lost after", "cut short"])
def test_a_release_whose_answer_is_lost_is_found_by_its_mark_and_made_once(
    site: Site, driver: Platform, app: str, tmp_path: Path, trouble: Trouble
) -> None:
    token, before = mark(), newest(driver, app)
    site.trouble(app, "release", trouble)
    receipt = apply(driver, app, ReleasePackage(site.package(tmp_path)), token)
    assert [r.order for r in driver.observe(app).releases if r.order > before] == [receipt.release]
    current = driver.observe(app).current
    assert current and driver.find(app, Claim(token)) == Found(current)


@pytest.mark.parametrize("trouble", ["lost before", pytest.param("hangs", marks=pytest.mark.slow)])
def test_a_release_that_never_arrived_is_unknown_and_then_surely_not_there(
    site: Site, app: str, tmp_path: Path, trouble: Trouble
) -> None:
    driver, token = site.driver(limits=SHORT), mark()
    before = newest(driver, app)
    site.trouble(app, "release", trouble)
    with pytest.raises(OutcomeUnknown):
        apply(driver, app, ReleasePackage(site.package(tmp_path)), token)
    assert driver.find(app, Claim(token)) == Absent()
    assert newest(driver, app) == before


def test_a_release_that_stays_in_provisioning_is_unknown_and_found(
    site: Site, app: str, tmp_path: Path
) -> None:
    driver, token = site.driver(limits=SHORT), mark()
    site.trouble(app, "release", "never settles")
    with pytest.raises(OutcomeUnknown):
        apply(driver, app, ReleasePackage(site.package(tmp_path)), token)
    assert isinstance(driver.find(app, Claim(token)), Found)


@pytest.mark.parametrize("trouble", ["lost after", "cut short"])
def test_settings_whose_answer_is_lost_are_found_by_their_mark_and_set_once(
    site: Site, driver: Platform, app: str, trouble: Trouble
) -> None:
    token, before = mark(), newest(driver, app)
    site.trouble(app, "settings", trouble)
    receipt = apply(driver, app, SetConfig({"COLOUR": "red"}), token)
    assert driver.config(app)["COLOUR"] == "red"
    assert newest(driver, app) == receipt.release == before + 1
    found = driver.find(app, settings(token, before))
    assert isinstance(found, Found)
    assert (found.release.order, found.release.sets_mark) == (receipt.release, True)


def test_settings_that_never_arrived_are_unknown_and_then_surely_not_there(site: Site, app: str) -> None:
    driver, token = site.driver(limits=SHORT), mark()
    before = newest(driver, app)
    site.trouble(app, "settings", "lost before")
    with pytest.raises(OutcomeUnknown):
        apply(driver, app, SetConfig({"COLOUR": "red"}), token)
    assert "COLOUR" not in driver.config(app)
    assert driver.find(app, settings(token, before)) == Absent()


@pytest.mark.parametrize(("trouble", "runs"), [("lost before", 0), ("lost after", 1)])
def test_a_command_whose_answer_is_lost_is_unknown_and_never_started_again(
    site: Site, driver: Platform, running: tuple[str, Package], tmp_path: Path, trouble: Trouble, runs: int
) -> None:
    app, ran = running[0], tmp_path / "ran"
    site.trouble(app, "command", trouble)
    with pytest.raises(OutcomeUnknown):
        apply(driver, app, RunCommand(f"echo ran >> {ran}"))
    driver.query(app, "true")  # by now the other one ran, too
    assert (ran.read_text() if ran.exists() else "").count("ran") == runs


@pytest.mark.parametrize("trouble", ["lost before", "lost after", "throttled"])
def test_what_is_harmless_to_repeat_is_repeated(
    site: Site, driver: Platform, running: tuple[str, Package], trouble: Trouble
) -> None:
    app = running[0]
    for on in (True, False):
        site.trouble(app, "close", trouble)
        apply(driver, app, Maintenance(on))
        assert driver.observe(app).maintenance is on
    site.trouble(app, "command", trouble)
    assert driver.query(app, "exit 3").exit_status == 3


# ---- the other steps ------------------------------------------------------------------------------------------


def test_a_commands_exit_status_and_output_come_back_without_secrets(
    driver: Platform, site: Site, running: tuple[str, Package]
) -> None:
    app = running[0]
    apply(driver, app, SetConfig({"PASSWORD": SECRET}))
    receipt = apply(driver, app, RunCommand("echo started; echo $PASSWORD; exit 4"))
    assert receipt.exit_status == 4
    assert receipt.output[0] == "started"
    assert SECRET not in "".join(receipt.output)
    assert SECRET not in driver.mask(app)(f"it is {SECRET}")


def test_settings_are_given_and_taken_away_and_each_time_released(driver: Platform, app: str) -> None:
    given = apply(driver, app, SetConfig({"COLOUR": "red", "SIZE": "9"}))
    taken = apply(driver, app, SetConfig({"COLOUR": None}))
    assert taken.release == given.release + 1 == newest(driver, app)
    assert "COLOUR" not in driver.config(app)
    assert driver.config(app)["SIZE"] == "9"


def test_closing_what_is_closed_changes_nothing(driver: Platform, app: str) -> None:
    before = newest(driver, app)
    for on in (True, True, False, False):
        apply(driver, app, Maintenance(on))
        assert driver.observe(app).maintenance is on
    assert newest(driver, app) == before


# ---- throttled, refused, out of reach -------------------------------------------------------------------------


def test_a_throttled_write_waits_is_done_once_and_leaves_its_attempts(
    site: Site, driver: Platform, app: str
) -> None:
    driver.take_attempts()
    before = newest(driver, app)
    site.trouble(app, "settings", "throttled")
    apply(driver, app, SetConfig({"COLOUR": "red"}))
    assert newest(driver, app) == before + 1
    assert driver.take_attempts()
    assert driver.take_attempts() == [], "they are taken once"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "step"),
    [
        ("settings", SetConfig({"COLOUR": "red"})),
        ("close", Maintenance(True)),
        ("command", RunCommand("true")),
    ],
)
def test_a_write_that_was_always_throttled_surely_did_not_happen(
    site: Site, running: tuple[str, Package], call: Call, step: Step
) -> None:
    driver, app = site.driver(limits=SHORT), running[0]
    before = driver.observe(app)
    site.trouble(app, call, "throttled", count=100)
    with pytest.raises(CheckFailed) as failed:
        apply(driver, app, step)
    assert not isinstance(failed.value, Unreachable)
    site.calm()
    assert driver.observe(app).releases == before.releases
    assert driver.observe(app).maintenance is before.maintenance


def test_a_look_that_is_interrupted_is_repeated(site: Site, driver: Platform, app: str) -> None:
    site.trouble(app, "observe", "lost before", count=2)
    assert driver.observe(app).url


@pytest.mark.slow
def test_a_look_that_nobody_answers_is_out_of_reach(site: Site, app: str) -> None:
    driver = site.driver(limits=SHORT)
    site.trouble(app, "observe", "hangs", count=100)
    with pytest.raises(Unreachable):
        driver.observe(app)


STEPS: Final = (SetConfig({"COLOUR": "red"}), RunCommand("true"), Maintenance(True))


def test_a_wrong_credential_is_an_error_of_use_and_is_not_shown(
    site: Site, running: tuple[str, Package]
) -> None:
    driver, app = site.driver(credential=SECRET), running[0]
    looks: tuple[Callable[[], object], ...] = (
        lambda: driver.observe(app),
        lambda: driver.config(app),
        lambda: driver.find(app, Claim(mark())),
        lambda: driver.query(app, "true"),
        *(lambda step=step: apply(driver, app, step) for step in STEPS),  # type: ignore[misc]
    )
    for look in looks:
        with pytest.raises(UsageError) as refused:
            look()
        assert SECRET not in str(refused.value)


def test_an_app_that_does_not_exist_is_an_error_of_use(driver: Platform) -> None:
    with pytest.raises(UsageError):
        driver.observe("there-is-no-such-app")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_change_that_never_reached_the_platform_surely_did_not_happen(site: Site, step: Step) -> None:
    driver = site.driver(limits=SHORT, reachable=False)
    with pytest.raises(CheckFailed) as failed:
        apply(driver, "any-app", step)
    assert not isinstance(failed.value, Unreachable), "an effect that may be there is not out of reach"


def test_a_package_that_never_reached_the_platform_surely_is_not_released(site: Site, tmp_path: Path) -> None:
    driver, package = site.driver(limits=SHORT, reachable=False), site.package(tmp_path)
    with pytest.raises(CheckFailed) as failed:
        apply(driver, "any-app", ReleasePackage(package))
    assert not isinstance(failed.value, Unreachable)


def test_a_platform_that_is_not_there_is_out_of_reach_of_a_look(site: Site) -> None:
    driver = site.driver(limits=SHORT, reachable=False)
    for look in (driver.observe, driver.config, driver.url):
        with pytest.raises(Unreachable):
            look("any-app")


def test_a_release_that_is_not_there_is_refused_and_what_is_no_name_is_none(
    site: Site, driver: Platform, running: tuple[str, Package]
) -> None:
    app, package = running
    with pytest.raises(UsageError, match=site.absent_release):
        driver.named(app, site.absent_release)
    for other in (package.commit, package.digest, "", "latest"):
        assert driver.named(app, other) is None


def test_a_package_of_its_kind_is_accepted_and_one_that_it_cannot_run_is_not(
    site: Site, running: tuple[str, Package]
) -> None:
    driver = site.driver(reachable=False)  # nobody is asked
    assert driver.accepts(running[0], running[1]) == ""
    several = replace(running[1], kind="image", config="")  # an image of several platforms has no one config
    assert driver.accepts(running[0], several) != ""


# ---- others, and lists that end -------------------------------------------------------------------------------


def test_what_a_second_writer_did_is_not_taken_for_ours(site: Site, driver: Platform, app: str) -> None:
    before, token = newest(driver, app), mark()
    site.others_change(app)
    assert driver.find(app, Claim(token)) == Absent()
    assert driver.find(app, settings(token, before)) == Absent()
    ours = apply(driver, app, SetConfig({"COLOUR": "red"}), token)
    site.others_change(app)
    found = driver.find(app, settings(token, before))
    assert isinstance(found, Found)
    assert found.release.order == ours.release == newest(driver, app) - 1
    assert driver.find(app, settings(mark(), before)) == Absent(), "another start's mark is another's"


@pytest.mark.slow
def test_a_mark_further_back_than_the_list_reaches_is_not_called_absent(
    site: Site, driver: Platform, app: str, tmp_path: Path
) -> None:
    before, token = newest(driver, app), mark()
    apply(driver, app, ReleasePackage(site.package(tmp_path)), token)
    site.others_change(app, 40)
    assert isinstance(driver.find(app, Claim(token, before)), CannotTell)


# ---- logs -----------------------------------------------------------------------------------------------------


def test_the_log_since_a_release_holds_what_its_processes_said(
    driver: Platform, running: tuple[str, Package]
) -> None:
    current = driver.observe(running[0]).current
    assert current is not None
    whole, since = (driver.logs(running[0], datetime.now(UTC), of) for of in (None, current))
    assert 0 < len(since) < len(whole) and list(whole[-len(since) :]) == list(since), (
        "what was before is not its own"
    )
    assert any(b"listening" in line for line in driver.logs(running[0], datetime.now(UTC)))


@pytest.mark.slow
def test_a_log_that_does_not_reach_back_is_not_called_whole(
    site: Site, driver: Platform, running: tuple[str, Package]
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    site.many_lines(running[0])
    with pytest.raises(CheckFailed):
        driver.logs(running[0], began)
    assert driver.logs(running[0], datetime.now(UTC) + timedelta(seconds=5))


def test_the_platforms_clock_is_compared_with_ours(driver: Platform, app: str) -> None:
    driver.observe(app)
    assert driver.clock_ahead is not None
    assert abs(driver.clock_ahead) < 30


# ---- fences ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fenced(driver: Platform) -> Iterator[Fence]:
    fence = driver.open_fence(60.0)
    assert fence, "this site's credential may make one"
    yield fence
    driver.close_fence(fence)


def test_under_a_fence_every_step_works(
    driver: Platform, running: tuple[str, Package], fenced: Fence
) -> None:
    app, package = running
    assert fenced.kind != "none" and fenced.expires > f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    apply(driver, app, Maintenance(True))
    apply(driver, app, Maintenance(False))
    assert apply(driver, app, RunCommand("true")).exit_status == 0
    apply(driver, app, ReleasePackage(package))
    apply(driver, app, SetConfig({"UNDER": "fence"}))


def test_after_the_fence_is_closed_nothing_that_was_sent_under_it_has_an_effect(
    site: Site, running: tuple[str, Package]
) -> None:
    """The holder does not know that somebody closed it: a request of its is on its way."""
    app, package = running
    holder, other = site.driver(), site.driver()
    fence = holder.open_fence(60.0)
    assert fence and other.close_fence(fence) == "revoked"
    before = newest(other, app)
    for step in (ReleasePackage(package), SetConfig({"LATE": "1"}), RunCommand("true"), Maintenance(True)):
        with pytest.raises(CheckFailed):
            apply(holder, app, step)
    assert newest(other, app) == before and not other.observe(app).maintenance
    assert holder.close_fence(fence) == "gone"
    apply(holder, app, Maintenance(False))  # with its own credential again


def test_a_fence_is_closed_twice_and_ends_by_itself(site: Site, driver: Platform) -> None:
    fence = driver.open_fence(1.0)
    assert fence and driver.close_fence(fence) == driver.close_fence(fence) == "revoked"
    assert site.driver().close_fence(fence) == "gone"


def test_whether_a_fence_is_closed_is_not_guessed(site: Site, driver: Platform) -> None:
    fence = driver.open_fence(60.0)
    assert fence
    with pytest.raises(OutcomeUnknown):
        site.driver(reachable=False, limits=SHORT).close_fence(fence)
    assert driver.close_fence(fence) == "revoked"


def test_without_a_platform_no_fence_is_made(site: Site) -> None:
    with pytest.raises((CheckFailed, UsageError)):
        site.driver(reachable=False, limits=SHORT).open_fence(60.0)
    with pytest.raises(UsageError):
        site.driver(credential="wrong").open_fence(60.0)
