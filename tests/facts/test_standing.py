"""How far a package has come: over arbitrary journals, a deploy is open only after all four stages, in order.

The rule is written here a second time, as a search for four entries in the whole history, and must agree with
the code that reads them one by one.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from roadworthy.facts.standing import STAGES, Done, Standing, after

B, C = "b" * 64, "c" * 64
Step = tuple[str, bool, str]  # an action, whether it ended well, and the digest it was about
STEPS = st.tuples(st.sampled_from(sorted(STAGES)), st.booleans(), st.sampled_from([B, C]))
HISTORIES = st.lists(STEPS, max_size=14)
ALL: list[Step] = [("intake", True, ""), ("build", True, B), ("accept", True, B), ("release", True, B)]


def read(steps: list[Step]) -> Standing:
    standing = Standing()
    for number, step in enumerate(steps):
        standing = add(standing, step, number)
    return standing


def add(standing: Standing, step: Step, number: int = 99) -> Standing:
    action, well, digest = step
    digest = "" if action == "intake" else digest
    done = Done(action, 2 * number + 1, 2 * number + 2, "", "", digest, "", {}, {})
    return after(standing, done, well=well)


def may_be_deployed(steps: list[Step]) -> str:
    """The digest that four entries in order open, "" when there are none such: the rule, said once more."""
    taken_in = [at for at, (action, well, _) in enumerate(steps) if action == "intake" and well]
    refused = [at for at, (action, well, _) in enumerate(steps) if action == "intake" and not well]
    if not taken_in or (refused and refused[-1] > taken_in[-1]):
        return ""
    open_at = [at for at in range(len(steps)) if last_intake(steps[: at + 1])]
    built = [at for at in open_at if steps[at][:2] == ("build", True)]
    if not built:
        return ""
    digest = steps[built[0]][2]
    no = max((at for at, step in enumerate(steps) if step[:2] == ("accept", False)), default=-1)
    yes = [at for at in open_at if steps[at] == ("accept", True, digest) and at > max(built[0], no)]
    released = [at for at in open_at if yes and steps[at] == ("release", True, digest) and at > yes[0]]
    return digest if released else ""


def last_intake(steps: list[Step]) -> bool:
    """Whether the newest intake ended well."""
    return next((well for action, well, _ in reversed(steps) if action == "intake"), False)


@given(HISTORIES)
@example(ALL)
@example([*ALL, ("accept", False, B), ("release", True, B)])
@example([*ALL, ("accept", False, B), ("accept", True, B)])
@example([*ALL[:2], ("build", True, C), ("accept", True, C), ("release", True, C)])
@example([*ALL, ("intake", False, "")])
def test_a_deploy_is_open_exactly_after_intake_build_a_yes_and_a_release_about_the_same_bytes(
    steps: list[Step],
):
    standing = read(steps)
    assert (standing.digest if not standing.lacks("deploy") else "") == may_be_deployed(steps)


@given(HISTORIES, st.sampled_from([B, C]))
def test_a_no_always_closes(steps: list[Step], digest: str):
    standing = add(read(steps), ("accept", False, digest))
    assert standing.lacks("deploy")
    assert standing.lacks("release")
    assert add(standing, ("release", True, B)).released is None


@given(HISTORIES)
def test_an_intake_that_was_refused_always_closes(steps: list[Step]):
    standing = add(read(steps), ("intake", False, ""))
    assert all(standing.lacks(action) for action in ("build", "accept", "release", "deploy"))


@given(HISTORIES, STEPS)
def test_what_ends_well_out_of_order_changes_nothing_and_is_named(steps: list[Step], step: Step):
    before = read(steps)
    found = add(before, step)
    if step[1] and found.invalid != before.invalid:
        assert found.invalid[:-1] == before.invalid
        assert found.invalid[-1].startswith(f"{step[0]} #200: ")
        assert (found.intake, found.build, found.accepted, found.released) == (
            before.intake, before.build, before.accepted, before.released,
        )  # fmt: skip


@given(HISTORIES, STEPS)
def test_only_a_refusal_takes_anything_away(steps: list[Step], step: Step):
    before, found = read(steps), add(read(steps), step)
    assert len(found.invalid) >= len(before.invalid)
    assert found.build is not None or before.build is None
    assert before.digest in ("", found.digest), "a build is never replaced by one of other bytes"
    if step[1] or step[0] in ("build", "release"):
        for action in (*STAGES, "deploy"):
            assert before.lacks(action) or not found.lacks(action)


@given(HISTORIES)
def test_each_stage_is_open_only_when_those_before_it_are(steps: list[Step]):
    standing = read(steps)
    lacks = [bool(standing.lacks(action)) for action in ("intake", "build", "accept", "release", "deploy")]
    assert lacks == sorted(lacks)


def test_a_package_may_be_taken_in_again_after_it_was_built():
    """An intake names no bytes, so it is not about others."""
    again = read([("intake", True, ""), ("build", True, B), ("intake", True, "")])
    assert again.invalid == ()
    assert again.intake is not None and again.intake.seq == 6
    assert again.build is not None
