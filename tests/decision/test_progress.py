"""Where a commit stands: each stage, the entry that says so, and the commands that are left.

The journals are lists of outcomes in memory. A made-up environment follows the same commands, so that what the
platform and the database would be is known.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from roadworthy.decision.lines import LINES, Asked, Journal, Mark, Progress, State
from roadworthy.decision.progress import progress
from roadworthy.facts.migrations import Migration, Migrations
from roadworthy.facts.standing import Done, Standing
from roadworthy.journal.index import Settled
from roadworthy.model import Fact

B, C = "b" * 64, "c" * 64
COMMIT = {B: "b" * 40, C: "c" * 40}
Row = tuple[str, str, str] | tuple[str, str, str, dict[str, object]]


def row(seq: int, kind: str, action: str, digest: str, **more: object) -> Settled:
    nothing = {"package": "slug", "certificate": "", "certificate_sha256": "", "expires": "", "artifact": ""}
    return Settled(
        **{
            "seq": seq, "sha256": f"{seq:064x}", "at": f"2030-01-01T00:00:{seq:02}.000000Z", "kind": kind,
            "action": action, "environment": "prod", "digest": digest, "commit": COMMIT.get(digest, ""), "size": 1,
            "release": 0, "revised": "revision" in more, "revision": None, "claim": None, "closed": False,
            "deployment": 0, **nothing, **more,
        }
    )  # fmt: skip


def outcomes(*rows: Row) -> list[Settled]:
    """The first has the number 2, the next 4, and so on: a start stands before each."""
    return [row(2 * at, *one[:3], **(one[3] if len(one) > 3 else {})) for at, one in enumerate(rows, 1)]


def done(action: str, seq: int, digest: str, **details: object) -> Done:
    return Done(action, seq - 1, seq, "", "", digest, "", details, {})


def released(digest: str) -> Standing:
    steps = [
        done(action, 2 * at, digest) for at, action in enumerate(("intake", "build", "accept", "release"), 1)
    ]
    return Standing(*steps)


ONE = Migration("0001", (), "expand", True, "0001.py")
TWO = Migration("0002", ("0001",), "expand", True, "0002.py")


def asked(*rows: Row, of: str = B, **more: object) -> Asked:
    """What is asked of the released package `of`, which has two migrations, in production."""
    opened, refused = more.pop("open", None), more.pop("refused", ())
    told = {
        "commit": COMMIT[of],
        "environment": "prod",
        "production": True,
        "standing": released(of),
        "package": Journal(f"package-{COMMIT[of]}"),
        "there": Journal("prod", outcomes(*rows), refused, opened),
        "no_deploy": "",
        "migrations": Fact("migrations", Migrations((ONE, TWO))),
        "own_tests": False,
        **more,
    }
    return Asked(**told)


def states(found: Progress) -> list[str]:
    return [line.state.value for line in found.lines[4:]]


def entries(found: Progress) -> list[int]:
    return [line.seq for line in found.lines[4:]]


DEPLOYED = ("end", "deploy", B, {"release": 3})
MIGRATED = ("end", "migrate", B, {"revision": "0002"})
INCOMPLETE = ("failed", "complete", B, {"deployment": 2})
COMPLETED = ("end", "complete", B, {"deployment": 2})
WHOLE = (DEPLOYED, MIGRATED, COMPLETED)
FAILED_C = ("failed", "deploy", C, {"release": 4})
UNCHANGED_C = ("failed", "deploy", C)
NO = "not reached"
DONE = ["done"] * 4


JOURNALS: dict[str, tuple[tuple[Row, ...], list[str]]] = {
    "nothing was deployed": ((), [NO, NO, NO, NO]),
    "deployed, and not migrated": ((DEPLOYED,), ["done", NO, NO, NO]),
    "deployed where the schema was there": (
        (("end", "migrate", C, {"revision": "0002"}), DEPLOYED),
        ["done", "not needed", "done", NO],
    ),
    "half-way migrated": (
        (DEPLOYED, ("failed", "migrate", B, {"revision": "0001"})),
        ["done", "failed", NO, NO],
    ),
    "migrated, and not looked at again": ((DEPLOYED, MIGRATED), ["done", "done", NO, NO]),
    "a migration that was given up": (
        (DEPLOYED, MIGRATED, ("abandon", "migrate", B)),
        ["done", "failed", NO, NO],
    ),
    "complete": (WHOLE, DONE),
    "complete, and config vars changed since": ((*WHOLE, ("end", "config", B, {"release": 4})), DONE),
    "complete, and certified since": ((*WHOLE, ("end", "certify", B)), DONE),
    "incomplete": ((DEPLOYED, MIGRATED, INCOMPLETE), ["done", "done", NO, "failed"]),
    "incomplete, and complete afterwards": (
        (DEPLOYED, MIGRATED, INCOMPLETE, COMPLETED),
        DONE,
    ),
    "complete, and incomplete when it was replayed": (
        (*WHOLE, INCOMPLETE),
        ["done", "done", NO, "failed"],
    ),
    "another one failed and stayed": ((*WHOLE, FAILED_C), [NO, "not needed", NO, NO]),
    "another one failed before it changed anything": (
        (*WHOLE, UNCHANGED_C),
        ["done", "done", NO, NO],
    ),
    "another one was given up": ((*WHOLE, ("abandon", "deploy", C)), [NO, "not needed", NO, NO]),
    "another one failed, and it was completed again": ((*WHOLE, UNCHANGED_C, COMPLETED), DONE),
    "another one runs": ((*WHOLE, ("end", "deploy", C)), [NO, "not needed", NO, NO]),
    "another one was rolled back, and nobody completed that": (
        (*WHOLE, ("end", "deploy", C), ("end", "rollback", B)),
        ["done", "not needed", "done", NO],
    ),
    "its own deploy failed": ((("failed", "deploy", B),), ["failed", NO, NO, NO]),
    "its own deploy failed and went back": (
        (("end", "deploy", C), ("failed", "deploy", B, {"release": 4}), ("end", "rollback", C)),
        ["failed", NO, NO, NO],
    ),
    "a completion of another deployment": (
        (("end", "deploy", B), ("end", "complete", B, {"deployment": 2}), DEPLOYED, MIGRATED),
        ["done", "done", NO, NO],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "said"), JOURNALS.values(), ids=JOURNALS)
def test_each_stage_of_a_deployment_is_what_the_environments_journal_says(
    rows: tuple[Row, ...], said: list[str]
):
    assert states(progress(asked(*rows))) == said


def test_each_stage_names_the_entry_that_says_so():
    assert entries(progress(asked(*WHOLE))) == [2, 4, 6, 6]
    assert progress(asked(*WHOLE)).of("deploy").entry == "prod #2"
    assert [line.seq for line in progress(asked()).lines[:4]] == [2, 4, 6, 8]
    stayed = progress(asked(*WHOLE, FAILED_C)).of("deploy")
    assert (stayed.seq, stayed.why) == (8, "a deploy failed after it")


OPENED = {
    "deploy": ["open", NO, NO, NO],
    "rollback": ["open", NO, NO, NO],
    "config": ["open", NO, NO, NO],
    "migrate": ["done", "open", NO, NO],
    "complete": ["done", "done", "done", "open"],
    "certify": ["done", "done", "done", "open"],
}


@pytest.mark.parametrize("action", OPENED)
def test_nothing_is_complete_while_an_action_is_open_whoever_began_it(action: str):
    for digest in (B, C):
        found = progress(asked(*WHOLE, open=Mark(7, action, digest)))
        assert states(found) == OPENED[action]
        assert not found.complete
        assert found.next == ("invoke reconcile --env prod",)
    assert next(line for line in found.lines if line.state is State.OPEN).entry == "prod #7"


def test_a_refusal_is_named_until_something_newer_happened():
    no = Mark(3, "migrate", B)
    assert states(progress(asked(DEPLOYED, refused=(no,)))) == ["done", "refused", NO, NO]
    failed = ("failed", "migrate", B, {"revision": "0001"})
    assert states(progress(asked(DEPLOYED, failed, refused=(no,)))) == ["done", "failed", NO, NO]
    assert states(progress(asked(DEPLOYED, MIGRATED, refused=(no,)))) == ["done", "done", NO, NO]
    assert states(progress(asked(refused=(Mark(1, "deploy", C),)))) == [NO, NO, NO, NO]
    assert states(progress(asked(refused=(Mark(1, "deploy", B),)))) == ["refused", NO, NO, NO]
    late = Mark(5, "complete", B)
    assert states(progress(asked(DEPLOYED, MIGRATED, refused=(late,)))) == ["done", "done", NO, "refused"]


NOT_NEEDED = {"of": C, "no_deploy": "DOCS_ONLY_CHANGE"}


def test_a_change_that_needs_no_deployment_is_done_only_where_what_runs_is_complete():
    found = progress(asked(*WHOLE, **NOT_NEEDED))
    assert states(found) == ["not needed"] * 4
    assert (found.complete, found.no_deploy, found.next) == (True, "DOCS_ONLY_CHANGE", ())
    for rows in (DEPLOYED,), (DEPLOYED, MIGRATED), (*WHOLE, FAILED_C), (*WHOLE, UNCHANGED_C), ():
        found = progress(asked(*rows, **NOT_NEEDED))
        assert (found.complete, found.no_deploy) == (False, ""), rows
        assert found.of("deploy").state is not State.NOT_NEEDED
    assert not progress(asked(*WHOLE, **NOT_NEEDED, open=Mark(7, "complete", B))).complete
    assert not progress(asked(*WHOLE, no_deploy="DOCS_ONLY_CHANGE", standing=Standing())).complete


def test_what_runs_here_needs_its_stages_whatever_its_scope_says_now():
    # Since it runs, it differs in nothing from what runs.
    found = progress(asked(DEPLOYED, no_deploy="DOCS_ONLY_CHANGE"))
    assert states(found) == ["done", NO, NO, NO]
    assert not found.complete
    assert states(progress(asked(*WHOLE, no_deploy="DOCS_ONLY_CHANGE"))) == DONE


def test_the_commands_that_are_left_are_named_in_order_and_as_they_are_typed():
    sha = COMMIT[B]
    fresh = asked(standing=Standing(), own_tests=True)
    assert progress(fresh).next == (
        f"invoke intake --env prod --commit {sha}",
        f"invoke build --env prod --commit {sha}",
        f"invoke test --commit {sha}",
        f"invoke accept --env prod --commit {sha}",
        f"invoke release --env prod --commit {sha}",
        f"invoke deploy --env prod --commit {sha}",
        "invoke migrate --env prod --approval REF",
        "invoke verify --env prod",
        "invoke complete --env prod",
    )
    passed = Journal("package", [row(9, "failed", "test", B), row(11, "end", "test", B)])
    built = replace(fresh, standing=replace(released(B), accepted=None, released=None))
    assert f"invoke test --commit {sha}" in progress(built).next
    assert f"invoke test --commit {sha}" not in progress(replace(built, package=passed)).next
    left = progress(asked(DEPLOYED, production=False)).next
    assert left == ("invoke migrate --env prod", "invoke verify --env prod", "invoke complete --env prod")
    assert progress(asked(*WHOLE)).next == ()


def test_a_stage_of_the_package_that_failed_is_open_or_came_out_of_order_is_none():
    journal = Journal("package-x", [row(2, "end", "intake", ""), row(4, "failed", "accept", B)])
    said_no = Standing(done("intake", 2, ""), done("build", 3, B), None, None, done("accept", 4, B))
    found = progress(asked(*WHOLE, standing=said_no, package=journal))
    assert [line.state.value for line in found.lines[:4]] == ["done", "done", "failed", NO]
    assert (found.of("verification").entry, found.complete) == ("package-x #4", False)
    for action, stage in (("build", "build"), ("test", "verification"), ("release", "release")):
        opened = replace(journal, open=Mark(9, action, B))
        found = progress(asked(*WHOLE, package=opened))
        assert (found.of(stage).state, found.of(stage).entry) == (State.OPEN, "package-x #9")
    wrong = replace(released(B), invalid=("release #4: ACCEPTANCE_MISSING",))
    found = progress(asked(*WHOLE, standing=wrong))
    assert (found.complete, found.next) == (False, ())
    assert found.of("release").why == "release #4: ACCEPTANCE_MISSING"


def test_an_acceptance_counts_with_the_checks_that_the_change_needs_here():
    said = {"checks": {"load": "success", "api": "failure"}}
    standing = replace(released(B), accepted=done("accept", 6, B, **said))
    assert progress(asked(*WHOLE, standing=standing, required=("load",))).complete
    found = progress(asked(standing=standing, required=("load", "api", "browser")))
    assert found.of("verification").state is State.NOT_REACHED
    assert "without api, browser" in found.of("verification").why


def test_another_package_of_the_same_commit_is_not_it():
    other = replace(released(B), build=done("build", 4, C))
    assert states(progress(asked(*WHOLE, standing=other)))[0] == NO
    assert states(progress(asked(*WHOLE, standing=Standing()))) == DONE, "a staging deploy asks for no build"


def test_migrations_that_cannot_be_read_or_do_not_fit_are_no_end():
    unread = Fact("migrations", missing="app/0001.py:3: no readable Python")
    assert states(progress(asked(*WHOLE, migrations=unread))) == ["done", NO, NO, NO]
    ahead = ("end", "migrate", B, {"revision": "0009"})
    found = progress(asked(DEPLOYED, ahead, COMPLETED))
    assert states(found) == ["done", NO, NO, NO]
    assert "0009" in found.of("migrations").why


def test_a_package_without_migrations_needs_none():
    none = Fact("migrations", Migrations(()))
    assert states(progress(asked(DEPLOYED, migrations=none))) == ["done", "not needed", "done", NO]


def test_the_lines_are_the_contracts_stages():
    assert [line.stage for line in progress(asked()).lines] == list(LINES)
    assert progress(asked()).first == progress(asked()).of("deploy")
    assert progress(asked(*WHOLE)).first is None


def test_whoever_may_live_is_looked_at_and_waited_for_and_the_dead_are_settled():
    dead, alive = Mark(8, "deploy", B), Mark(8, "deploy", B, dead=False)
    assert progress(asked(DEPLOYED, open=dead)).next == ("invoke reconcile --env prod",)
    wait = f"invoke ship --env prod --commit {COMMIT[B]} --approval REF --wait 10m"
    assert progress(asked(DEPLOYED, open=alive)).next == ("invoke lock.status --env prod", wait)
    assert progress(asked(*WHOLE, open=alive)).next[1] == wait.replace(" --approval REF", "")


def test_while_an_action_on_the_package_may_go_on_it_is_looked_at_first():
    place = f"package-{COMMIT[B]}"
    for dead, first in ((False, f"invoke lock.status --commit {COMMIT[B]}"), (True, "invoke accept")):
        package = Journal(place, (), (), Mark(5, "accept", B, dead))
        found = progress(asked(standing=replace(released(B), accepted=None, released=None), package=package))
        assert (found.of("verification").state, found.next[0].startswith(first)) == (State.OPEN, True)


def test_an_intake_that_was_refused_takes_another_commit():
    package = Journal(f"package-{COMMIT[B]}", (row(2, "failed", "intake", B),))
    found = progress(asked(standing=Standing(), package=package))
    assert found.lines[0].state is State.FAILED
    assert found.next == (f"git show --stat {COMMIT[B]}", "invoke ship --env prod")


def test_what_is_pending_is_named_with_its_kind():
    assert progress(asked(DEPLOYED)).pending == ("0001 expand", "0002 expand")
    assert progress(asked(*WHOLE)).pending == ()
    unknown = progress(asked(DEPLOYED, migrations=Fact("migrations", missing="no folder")))
    assert unknown.pending == ("unknown: no folder",)
