"""The commands, as Invoke tasks: each parses, builds a request and calls one function.

`mount(root)` makes the namespace for a project's `tasks.py`. No task branches on an environment or guards
anything: that is the road's work (`release.py`).
"""

# mypy: allow-untyped-defs, allow-any-generics
# Invoke makes the command line from names and defaults; annotations would only say them again.

from __future__ import annotations

import atexit
import gc
from functools import partial
from pathlib import Path

from invoke.collection import Collection
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

from .commands.session import asking, finish, look, require, session, use
from .commands.usage import answer_in_our_words, list_in_groups

# Invoke would make -h of --change and -a of four different options; here -h is help, everywhere.
task = partial(invoke_task, auto_shortflags=False)

# A command is short, and what it imports lives to its end. The collector would look at it again and again, and
# twice more when the process ends: a sixth of the time of `invoke status`.
gc.freeze()
gc.set_threshold(50_000)
atexit.register(gc.freeze)

ENV = "environment of release.toml, or its app's name"
JSON = "print one JSON object on stdout, everything else on stderr"
PLAN = "say what would be done, change nothing"
COMMIT = "SHA, or enough of it to be the only one; default: HEAD"
HELD_COMMIT = "SHA, for the journal of its package instead of an environment's"
WHY = "why this is done; default for a deploy: the commit's subject"
CHANGE = "id of the change, for example a work order or pull request"
REPOSITORY = "where it is published: namespace/name on Docker Hub, or registry/name"
TAG = "the version; default: git describe"
LATEST = "say back to let latest name an older image; default: it stays where it would go back"
APPROVAL = "where the approval of this migration is recorded"
WAIT = "while another release holds the environment, wait at most this long, for example 10m"


@task(
    help={
        "env": ENV,
        "commit": COMMIT,
        "why": WHY,
        "change": CHANGE,
        "approval": APPROVAL,
        "plan": PLAN,
        "maintenance": "wrap the release and its migrations in maintenance mode",
        "wait": WAIT,
        "json": JSON,
    }
)
def deploy(c, env="staging", commit=None, why="", change="", approval="", maintenance=False, wait=None,
           plan=False, json=False):  # fmt: skip
    """Release the package of one commit and verify it; what already runs is left alone."""
    with session(json, plan) as context:
        request = asking(
            context, "deploy", env, commit, why, change, approval=approval, maintenance=maintenance, wait=wait
        )
        finish(context, look(context, request, plan))


@task(
    help={
        "env": ENV,
        "approval": APPROVAL,
        "why": WHY,
        "change": CHANGE,
        "wait": WAIT,
        "plan": PLAN,
        "json": JSON,
    }
)
def migrate(c, env="staging", approval="", why="", change="", wait=None, plan=False, json=False):
    """Run the pending migrations of the released package, as a step of their own."""
    with session(json, plan) as context:
        request = asking(context, "migrate", env, None, why, change, approval=approval, wait=wait)
        finish(context, look(context, request, plan))


@task(help={"env": ENV, "to": "vNNN, a commit or a package digest; default: the last verified before this",
            "why": WHY, "change": CHANGE, "wait": WAIT, "plan": PLAN, "json": JSON})  # fmt: skip
def rollback(c, env="staging", to=None, why="", change="", wait=None, plan=False, json=False):
    """Go back to a package that was verified in this environment before."""
    with session(json, plan) as context:
        request = asking(context, "rollback", env, None, why, change, to=to, wait=wait)
        finish(context, look(context, request, plan))


@task(iterable=["set", "unset"],
      help={"env": ENV, "set": "a config var; its value is that of this command's environment. May be said again",
            "unset": "a config var that is to go. May be said again", "component": "whose app; default: the first",
            "why": WHY, "change": CHANGE, "wait": WAIT, "plan": PLAN, "json": JSON})  # fmt: skip
def config(c, set, unset, env="staging", component="", why="", change="", wait=None, plan=False, json=False):
    """Change config vars of what runs; it is verified again, and they are put back when it does not do well."""
    from .commands.config import change_config

    with session(json, plan) as context:
        request = asking(context, "config", env, None, why, change, wait=wait, component=component)
        finish(context, change_config(context, request, set, unset, plan))


@task(help={"env": ENV, "why": WHY, "change": CHANGE, "wait": WAIT, "plan": PLAN, "json": JSON})
def certify(c, env="staging", why="", change="", wait=None, plan=False, json=False):
    """Prove that what runs is fit for production, and write its certificate."""
    from .commands.certify import certify

    with session(json, plan) as context:
        finish(context, certify(context, asking(context, "certify", env, None, why, change, wait=wait), plan))


@task(help={"env": ENV, "why": "why what was done past this road is accepted", "change": CHANGE, "plan": PLAN,
            "json": JSON})  # fmt: skip
def adopt(c, env="staging", why="", change="", plan=False, json=False):
    """Accept, signed, what somebody did to the platform by hand; it is checked like a deploy."""
    from .commands.adopt import adopt

    with session(json, plan) as context:
        request = asking(context, "adopt", env, None, why, change)
        require("why", why)
        finish(context, adopt(context, request, plan))


@task(help={"env": ENV, "commit": COMMIT, "why": WHY, "change": CHANGE, "approval": APPROVAL,
            "log": "also write everything to a log in EVIDENCE_DIR", "wait": WAIT, "plan": PLAN,
            "json": JSON})  # fmt: skip
def ship(
    c,
    env="staging",
    commit=None,
    why="",
    change="",
    approval="",
    log=False,
    wait=None,
    plan=False,
    json=False,
):
    """Take one commit through all seven stages, from intake to completion."""
    from .pipeline.ship import logged, ship

    with session(json, plan) as context, logged(context, env, log and not plan):
        request = asking(context, "ship", env, commit, why, change, approval=approval, wait=wait)
        finish(context, ship(context, request))


@task(help={"env": ENV, "json": JSON})
def verify(c, env="staging", json=False):
    """Compare platform, app and database with the journal."""
    from .pipeline.verify import report

    with session(json) as context:
        finish(context, report(context, context.config.name_of(env)))


@task(help={"env": ENV, "junit": "also write a JUnit file here", "json": JSON})
def smoke(c, env="staging", junit="", json=False):
    """Ask a running environment the checks of release.toml, side by side."""
    from .commands.smoke import report

    with session(json) as context:
        finish(context, report(context, context.config.name_of(env), junit))


@task(help={"commit": COMMIT, "plan": PLAN, "json": JSON})
def test(c, commit=None, plan=False, json=False):
    """Run the app's own tests on the package of a commit, and record the result."""
    from .pipeline.test_run import report

    with session(json, plan) as context:
        finish(context, report(context, commit))


@task(help={"env": ENV, "commit": COMMIT, "why": WHY, "change": CHANGE, "plan": PLAN, "json": JSON})
def intake(c, env="staging", commit=None, why="", change="", plan=False, json=False):
    """Stage 1: take a change in; its scope is what differs from what was last deployed there."""
    from .pipeline.intake import report

    with session(json, plan) as context:
        finish(context, report(context, asking(context, "intake", env, commit, why, change)))


@task(help={"env": ENV, "commit": COMMIT, "plan": PLAN, "json": JSON})
def build(c, env="staging", commit=None, plan=False, json=False):
    """Stage 2: build the package of a commit once and record it, or find it."""
    from .pipeline.build import report

    with session(json, plan) as context:
        finish(context, report(context, asking(context, "build", env, commit, "", "")))


@task(
    help={
        "env": ENV,
        "commit": COMMIT,
        "why": WHY,
        "change": CHANGE,
        "again": "decide anew, though it was accepted before (not what this CI run has accepted)",
        "plan": PLAN,
        "json": JSON,
    }
)
def accept(c, env="staging", commit=None, why="", change="", again=False, plan=False, json=False):
    """Stage 3: decide on the package, YES or NO, by the checks that its change requires."""
    from .pipeline.accept import accept

    with session(json, plan) as context:
        finish(context, accept(context, asking(context, "accept", env, commit, why, change), again=again))


@task(help={"env": ENV, "commit": COMMIT, "why": WHY, "change": CHANGE, "plan": PLAN, "json": JSON})
def release(c, env="staging", commit=None, why="", change="", plan=False, json=False):
    """Stage 4: mark an accepted package as eligible for deployment; this deploys nothing."""
    from .pipeline.mark_released import mark_released

    with session(json, plan) as context:
        finish(context, mark_released(context, asking(context, "release", env, commit, why, change)))


@task(help={"env": ENV, "why": WHY, "change": CHANGE, "plan": PLAN, "wait": WAIT, "json": JSON})
def complete(c, env="staging", why="", change="", plan=False, wait=None, json=False):
    """Stage 7: hold what runs against the Definition of Done; what is not complete goes back."""
    from .pipeline.complete import complete

    with session(json, plan) as context:
        finish(
            context, complete(context, asking(context, "complete", env, None, why, change, wait=wait), plan)
        )


@task(help={"env": ENV, "commit": COMMIT, "json": JSON})
def decide(c, env="staging", commit=None, json=False):
    """The release decision on a commit, YES or NO, as the journals tell it now."""
    from .pipeline.complete import decision_of

    with session(json) as context:
        finish(context, decision_of(context, asking(context, "decide", env, commit, "", "")))


@task(help={"env": ENV, "sha": "SHA of a package that was released before; default: HEAD",
            "why": WHY, "change": CHANGE, "approval": APPROVAL, "wait": WAIT, "plan": PLAN,
            "json": JSON})  # fmt: skip
def replay(c, env="staging", sha=None, why="", change="", approval="", wait=None, plan=False, json=False):
    """Take an existing package through acceptance, deployment and completion again, without building."""
    from .pipeline.ship import ship

    with session(json, plan) as context:
        request = asking(context, "replay", env, sha, why, change, approval=approval, wait=wait)
        finish(context, ship(context, request))


@task(help={"env": ENV, "plan": PLAN, "json": JSON})
def reconcile(c, env="staging", plan=False, json=False):
    """Settle an action whose outcome is unknown, by looking at the platform."""
    from .commands.reconcile import report

    with session(json, plan) as context:
        finish(context, report(context, context.config.name_of(env)))


@task(help={"json": JSON})
def status(c, json=False):
    """What should run where, what does, and whether anything drifted."""
    from .commands.status import report

    with session(json) as context:
        finish(context, report(context))


@task(help={"env": ENV, "limit": "how many entries", "json": JSON})
def history(c, env="staging", limit=20, json=False):
    """What happened in an environment, newest first."""
    from .commands.status import report_history

    with session(json) as context:
        finish(context, report_history(context, context.config.name_of(env), limit))


@task(help={"env": ENV, "at": "UTC day or ISO 8601 time; default: now", "json": JSON})
def why(c, env="staging", at="", json=False):
    """What ran in an environment then, when it got there, who sent it and why."""
    from .commands.why import report

    with session(json) as context:
        finish(context, report(context, context.config.name_of(env), at))


@task(help={"keep": "leave the sandbox up and print its addresses", "plan": PLAN, "json": JSON})
def rehearse(c, keep=False, plan=False, json=False):
    """Take HEAD down the whole road on the sandbox: staging, production, rollback, evidence."""
    from .commands.rehearse import rehearse

    with session(json, plan) as context:
        finish(context, rehearse(context, keep))


@task(
    name="up",
    help={"port": "0 for any free port", "database": "sqlite or postgres", "plan": PLAN, "json": JSON},
)
def sandbox_up(c, port=0, database="sqlite", plan=False, json=False):
    """Start the local platform with the apps of release.toml."""
    from .commands import sandbox

    with session(json, plan) as context:
        finish(context, sandbox.up(context, port, database))


@task(name="down", help={"plan": PLAN, "json": JSON})
def sandbox_down(c, plan=False, json=False):
    """End the local platform and everything that it started; its data stays."""
    from .commands import sandbox

    with session(json, plan) as context:
        finish(context, sandbox.down(context))


@task(name="status", help={"json": JSON})
def sandbox_status(c, json=False):
    """Addresses, releases and processes of the local platform."""
    from .commands import sandbox

    with session(json) as context:
        finish(context, sandbox.status(context))


@task(
    name="logs", help={"app": "the app's name, or its environment's", "num": "how many lines", "json": JSON}
)
def sandbox_logs(c, app="staging", num=100, json=False):
    """The last log lines of an app on the local platform."""
    from .commands import sandbox

    with session(json) as context:
        sandbox.logs(context, context.config.app(app), num)


@task(name="env", help={"json": JSON})
def sandbox_env(c, json=False):
    """Print the exports that point the platform's own command line at the local platform."""
    from .commands import sandbox

    with session(json) as context:
        sandbox.env(context)


@task(name="faults", help={"set": "JSON list of faults, or 'none' to clear them", "plan": PLAN, "json": JSON})
def sandbox_faults(c, set="", plan=False, json=False):
    """Show or set the faults that the local platform injects."""
    from .commands import sandbox

    with session(json, plan) as context:
        finish(context, sandbox.faults(context, set))


@task(name="explain", help={"env": ENV, "action": "deploy, migrate, rollback, certify or adopt", "commit": COMMIT,
                            "json": JSON})  # fmt: skip
def guards_explain(c, env="staging", action="deploy", commit=None, json=False):
    """Each rule, its verdict now, and the facts that it read."""
    from .commands.explain import explain

    with session(json) as context:
        finish(context, explain(context, asking(context, action, env, commit, "", "")))


@task(name="approve", help={"env": ENV, "why": "what you looked at", "plan": PLAN, "json": JSON})
def guards_approve(c, env="staging", why="", plan=False, json=False):
    """Approve, signed, the rules of HEAD, for production that asks for another key's word on them."""
    from .commands.approve import approve

    with session(json, plan) as context:
        name = context.config.name_of(env)
        require("why", why)
        finish(context, approve(context, name, why))


@task(name="status", help={"env": ENV, "commit": HELD_COMMIT, "json": JSON})
def lock_status(c, env="staging", commit=None, json=False):
    """Who holds an environment, or the package of a commit."""
    from .execution import holding

    with session(json) as context:
        finish(context, holding.status(context, holding.place_held(context, env, commit)))


@task(
    name="unlock",
    help={
        "env": ENV,
        "commit": HELD_COMMIT,
        "token": "number of the start that holds it",
        "reason": "why",
        "plan": PLAN,
        "json": JSON,
    },
)
def lock_unlock(c, env="staging", commit=None, token=0, reason="", plan=False, json=False):
    """Abandon an action whose holder is surely dead; a signed entry says who did it and why."""
    from .execution import holding

    with session(json, plan) as context:
        finish(context, holding.unlock(context, holding.place_held(context, env, commit), token, reason))


@task(name="keys", help={"name": "name of the key", "folder": "where the private half goes",
                         "import": "take in this private key file (OpenSSH, PEM); it stays in place",
                         "policy": "write trust.toml for the keys build, verification, approval and deploy",
                         "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_keys(c, name="release", folder="", import_="", policy=False, plan=False, json=False):
    """Make or import a signing key: the private half outside the project, the public half in .release/trust."""
    from .commands import evidence, trust

    with session(json, plan) as context:
        finish(context, trust.policy(context) if policy else evidence.keys(context, name, folder, import_))


@task(name="revoke", help={"key": "its name, or its id SHA256:…", "why": "what happened", "plan": PLAN,
                           "rule": "end this rule of trust.toml alone: 1, 2, …", "json": JSON})  # fmt: skip
def evidence_revoke(c, key, why="", rule=0, plan=False, json=False):
    """End a key, or one rule of it, at the heads that its journals have now: earlier entries stay good."""
    from .commands import revoke

    with session(json, plan) as context:
        require("why", why)
        finish(context, revoke.revoke(context, key, why.strip(), rule))


@task(name="audit", iterable=["anchor"], help={
    "env": "judge this environment's journal alone, with the proofs that it names in others; default: all journals",
    "anchor": "FILE or git:REPOSITORY to compare heads with; may be given again",
    "tsa": "certificates (PEM) of the authority that timestamped the anchor files", "json": JSON})  # fmt: skip
def evidence_audit(c, env=None, anchor=None, tsa="", json=False):
    """Check every journal of the target: signatures, chain, evidence, anchors."""
    from .commands import audit

    with session(json) as context:
        only = context.config.name_of(env) if env else ""
        finish(context, audit.audit(context, anchor or (), tsa, only))


@task(name="anchor", help={"env": ENV, "to": "a file, for example for a CI artifact; default: a git tag",
                           "timestamp": "address of an RFC 3161 authority for the file", "plan": PLAN,
                           "json": JSON})  # fmt: skip
def evidence_anchor(c, env="staging", to="", timestamp="", plan=False, json=False):
    """Note the journal's head outside of its store, so that a cut tail or an old copy can be seen."""
    from .execution.anchor import anchor as to_anchor

    with session(json, plan) as context:
        finish(context, to_anchor(context, context.config.name_of(env), to, timestamp))


@task(name="clock", help={"env": ENV, "commit": HELD_COMMIT, "why": "how you know that it is right",
                          "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_clock(c, env="staging", commit=None, why="", plan=False, json=False):
    """Say that this machine's clock is right, where a journal's newest entry is from one that was ahead."""
    from .commands import evidence
    from .execution import holding

    with session(json, plan) as context:
        place = holding.place_held(context, env, commit)
        require("why", why)
        finish(context, evidence.clock(context, place, why))


@task(name="accept-loss", help={"env": ENV, "why": "what became of it, and why it cannot be put back",
                                "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_accept_loss(c, env="staging", why="", plan=False, json=False):
    """Accept, signed, that entries of a journal were lost; it goes on at a higher number, and audits tell of it."""
    from .commands import accept_loss

    with session(json, plan) as context:
        environment = context.config.name_of(env)
        require("why", why)
        finish(context, accept_loss.accept(context, environment, why))


@task(name="export", help={"env": ENV, "release": "vNNN, or its number in the journal", "to": "the folder to make",
                           "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_export(c, env="staging", release="", to="", plan=False, json=False):
    """Write one release as in-toto links, layout and predicates, for the stock in-toto-verify."""
    from .commands import evidence

    with session(json, plan) as context:
        finish(context, evidence.export(context, context.config.name_of(env), release, to))


@task(name="release", help={"commit": COMMIT, "repository": REPOSITORY, "tag": TAG, "plan": PLAN, "json": JSON,
                            "platforms": "separated by commas; default: linux/amd64,linux/arm64",
                            "latest": LATEST})  # fmt: skip
def dockerhub_release(c, commit=None, repository="", tag="", platforms="", latest="", plan=False, json=False):
    """Publish the image of a commit for several platforms, under four tags, and note its digest."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.release(context, commit, repository, tag, platforms, latest))


@task(name="push", help={"commit": COMMIT, "repository": REPOSITORY, "tag": TAG, "latest": LATEST, "plan": PLAN,
                         "json": JSON})  # fmt: skip
def dockerhub_push(c, commit=None, repository="", tag="", latest="", plan=False, json=False):
    """Publish the image of a commit for this machine's platform, and note its digest."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.push(context, commit, repository, tag, latest))


@task(name="build", help={"commit": COMMIT, "repository": REPOSITORY, "tag": TAG, "plan": PLAN, "json": JSON})
def dockerhub_build(c, commit=None, repository="", tag="", plan=False, json=False):
    """Build the image of a commit on this machine alone, under its version and latest."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.build_version(context, commit, repository, tag))


@task(
    name="local",
    help={"commit": COMMIT, "image": "name and tag that it gets here", "plan": PLAN, "json": JSON},
)
def dockerhub_local(c, commit=None, image="autorisen:local", plan=False, json=False):
    """Build the image of a commit on this machine alone, under one name."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.build(context, commit, (image,)))


@task(name="login", help={"repository": REPOSITORY, "plan": PLAN, "json": JSON})
def dockerhub_login(c, repository="", plan=False, json=False):
    """Log the engine in, with DOCKERHUB_USERNAME and DOCKERHUB_TOKEN."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.login(context, repository))


@task(name="logout", help={"repository": REPOSITORY, "plan": PLAN, "json": JSON})
def dockerhub_logout(c, repository="", plan=False, json=False):
    """Let the engine forget its login."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.logout(context, repository))


def _group(name: str, *tasks: Task) -> Collection:
    return Collection(name, *tasks)


def mount(root: Path) -> Collection:
    """The namespace of a project whose `tasks.py` lies in `root`; its guards are `root/guards`."""
    use(root)
    answer_in_our_words()
    groups = {
        "The stages, in their order": (intake, build, accept, release, deploy, migrate, complete),
        "Several stages at once": (ship, replay, rehearse),
        "Beside the road": (test, certify, config, rollback, reconcile, adopt),
        "What is so, and why": (status, verify, smoke, history, why, decide),
    }
    list_in_groups({title: [one.name for one in tasks] for title, tasks in groups.items()})
    commands = [one for tasks in groups.values() for one in tasks]
    return Collection(
        *commands,
        _group(
            "sandbox", sandbox_up, sandbox_down, sandbox_status, sandbox_logs, sandbox_env, sandbox_faults
        ),
        _group("guards", guards_explain, guards_approve),
        _group(
            "dockerhub",
            dockerhub_release,
            dockerhub_push,
            dockerhub_build,
            dockerhub_local,
            dockerhub_login,
            dockerhub_logout,
        ),
        _group("lock", lock_status, lock_unlock),
        _group(
            "evidence",
            evidence_keys,
            evidence_revoke,
            evidence_audit,
            evidence_anchor,
            evidence_clock,
            evidence_accept_loss,
            evidence_export,
        ),
    )
