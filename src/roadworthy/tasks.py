"""The commands, as Invoke tasks: each parses, builds a request and calls one function.

`mount(root)` makes the namespace for a project's `tasks.py`. No task branches on an environment or guards
anything: `execution/run.py` does that.
"""

# mypy: allow-untyped-defs, allow-any-generics
# Invoke builds the command line from names and defaults; annotations would only repeat them.

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

from .commands.session import asking, finish, look, require, running, session, use
from .commands.usage import answer_in_our_words, list_in_groups
from .compatibility import RELEASE_EXAMPLE


def task(**options: Any) -> Callable[[Callable[..., None]], Task]:
    """A command: Invoke's task that notes what runs, for the JSON object names it.

    A command that plans for an environment, and so asks guards, takes `--verbose` as well.
    """

    def made(body: Callable[..., None]) -> Task:
        @wraps(body)
        def command(c: object, **said: Any) -> None:
            verbose = said.pop("verbose", False)
            name = body.__name__.replace("_", ".", 1).replace("_", "-")
            running(name, said.get("env") or "", verbose=verbose)
            return body(c, **said)

        known = signature(body)
        if {"plan", "env"} <= known.parameters.keys():
            more = Parameter("verbose", Parameter.POSITIONAL_OR_KEYWORD, default=False)
            setattr(command, "__signature__", known.replace(parameters=[*known.parameters.values(), more]))  # noqa: B010
            options["help"] = {**options["help"], "verbose": VERBOSE}
        # Invoke would make -h of --change and -a of four different options; here -h is help, everywhere.
        made_by_invoke: Task = invoke_task(auto_shortflags=False, **options)(command)
        return made_by_invoke

    return made


# A command is short, and what it imports lives to its end. The collector would look at it again and again, and
# twice more when the process ends: a sixth of the time of `invoke status`.
gc.freeze()
gc.set_threshold(50_000)
atexit.register(gc.freeze)

ENV = "environment name from release.toml, or its app name"
JSON = "print the result as one JSON object on stdout; messages go to stderr"
PLAN = "dry run: print what would be done and change nothing"
COMMIT = "commit SHA, full or abbreviated; default: HEAD"
HELD_COMMIT = "commit SHA: use the journal of its package instead of an environment's"
VERBOSE = "list every guard that passed, too"
WHY = "reason for the change, recorded in the journal; default for a deploy: the commit subject"
CHANGE = "change ID, for example a ticket or pull request"
REPOSITORY = "image repository: namespace/name on Docker Hub, or registry/name"
TAG = "version tag; default: git describe"
LATEST = "'back' allows the latest tag to move to an older image; by default it never does"
APPROVAL = "reference to the recorded approval of this migration"
WAIT = "if another action has locked the environment, wait up to this long, for example 10m"


@task(
    help={
        "env": ENV,
        "commit": COMMIT,
        "why": WHY,
        "change": CHANGE,
        "approval": APPROVAL,
        "plan": PLAN,
        "maintenance": "turn maintenance mode on during the release and its migrations",
        "wait": WAIT,
        "json": JSON,
    }
)
def deploy(c, env="staging", commit=None, why="", change="", approval="", maintenance=False, wait=None,
           plan=False, json=False):  # fmt: skip
    """Deploy the package of one commit and verify it. Does nothing if it already runs."""
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
    """Run the pending migrations of the deployed package, separately from a deploy."""
    with session(json, plan) as context:
        request = asking(context, "migrate", env, None, why, change, approval=approval, wait=wait)
        finish(context, look(context, request, plan))


@task(help={"env": ENV,
            "to": f"release {RELEASE_EXAMPLE}, commit or package digest; default: the previous verified one",
            "why": WHY, "change": CHANGE, "wait": WAIT, "plan": PLAN, "json": JSON})  # fmt: skip
def rollback(c, env="staging", to=None, why="", change="", wait=None, plan=False, json=False):
    """Roll back to a package that was verified in this environment before."""
    with session(json, plan) as context:
        request = asking(context, "rollback", env, None, why, change, to=to, wait=wait)
        finish(context, look(context, request, plan))


@task(iterable=["set", "unset"],
      help={"env": ENV, "set": "NAME to set; the value is taken from your environment (repeatable)",
            "unset": "NAME to remove (repeatable)", "component": "component to change; default: the first",
            "why": WHY, "change": CHANGE, "wait": WAIT, "plan": PLAN, "json": JSON})  # fmt: skip
def config(c, set, unset, env="staging", component="", why="", change="", wait=None, plan=False, json=False):
    """Set or unset config vars, verify the app, and restore the old values if its checks fail."""
    from .commands.config import change_config

    with session(json, plan) as context:
        request = asking(context, "config", env, None, why, change, wait=wait, component=component)
        finish(context, change_config(context, request, set, unset, plan))


@task(help={"env": ENV, "why": WHY, "change": CHANGE, "wait": WAIT, "plan": PLAN, "json": JSON})
def certify(c, env="staging", why="", change="", wait=None, plan=False, json=False):
    """Check that the running package is fit for production, and write its certificate."""
    from .commands.certify import certify

    with session(json, plan) as context:
        finish(context, certify(context, asking(context, "certify", env, None, why, change, wait=wait), plan))


@task(help={"env": ENV, "why": "why you accept the change made outside roadworthy", "change": CHANGE, "plan": PLAN,
            "json": JSON})  # fmt: skip
def adopt(c, env="staging", why="", change="", plan=False, json=False):
    """Accept a manual change of the platform: check it like a deploy and sign it into the journal."""
    from .commands.adopt import adopt

    with session(json, plan) as context:
        request = asking(context, "adopt", env, None, why, change)
        require("why", why)
        finish(context, adopt(context, request, plan))


@task(help={"env": ENV, "commit": COMMIT, "why": WHY, "change": CHANGE, "approval": APPROVAL,
            "log": "also write all output to a log file in EVIDENCE_DIR", "wait": WAIT, "plan": PLAN,
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
    """Run all seven stages for one commit, from intake to completion."""
    from .pipeline.ship import logged, ship

    with session(json, plan) as context, logged(context, env, log and not plan):
        request = asking(context, "ship", env, commit, why, change, approval=approval, wait=wait)
        finish(context, ship(context, request))


@task(help={"env": ENV, "json": JSON})
def verify(c, env="staging", json=False):
    """Compare the platform, app and database with the journal."""
    from .pipeline.verify import report

    with session(json) as context:
        finish(context, report(context, context.config.name_of(env)))


@task(help={"env": ENV, "junit": "also write a JUnit report to this file", "json": JSON})
def smoke(c, env="staging", junit="", json=False):
    """Run the health checks of release.toml against an environment."""
    from .commands.smoke import report

    with session(json) as context:
        finish(context, report(context, context.config.name_of(env), junit))


@task(help={"commit": COMMIT, "plan": PLAN, "json": JSON})
def test(c, commit=None, plan=False, json=False):
    """Run the app's own tests on a commit's package, and record the result."""
    from .pipeline.test_run import report

    with session(json, plan) as context:
        finish(context, report(context, commit))


@task(help={"env": ENV, "commit": COMMIT, "why": WHY, "change": CHANGE, "plan": PLAN, "json": JSON})
def intake(c, env="staging", commit=None, why="", change="", plan=False, json=False):
    """Stage 1: record a change and its scope, compared with what was last deployed there."""
    from .pipeline.intake import report

    with session(json, plan) as context:
        finish(context, report(context, asking(context, "intake", env, commit, why, change)))


@task(help={"env": ENV, "commit": COMMIT, "plan": PLAN, "json": JSON})
def build(c, env="staging", commit=None, plan=False, json=False):
    """Stage 2: build the package of a commit and record it. A package is built only once."""
    from .pipeline.build import report

    with session(json, plan) as context:
        finish(context, report(context, asking(context, "build", env, commit, "", "")))


@task(
    help={
        "env": ENV,
        "commit": COMMIT,
        "why": WHY,
        "change": CHANGE,
        "again": "repeat the acceptance of an accepted package (except one accepted by this CI run)",
        "plan": PLAN,
        "json": JSON,
    }
)
def accept(c, env="staging", commit=None, why="", change="", again=False, plan=False, json=False):
    """Stage 3: run the checks that the change requires, and accept (YES) or reject (NO) the package."""
    from .pipeline.accept import accept

    with session(json, plan) as context:
        finish(context, accept(context, asking(context, "accept", env, commit, why, change), again=again))


@task(help={"env": ENV, "commit": COMMIT, "why": WHY, "change": CHANGE, "plan": PLAN, "json": JSON})
def release(c, env="staging", commit=None, why="", change="", plan=False, json=False):
    """Stage 4: mark an accepted package as eligible for deployment. Deploys nothing."""
    from .pipeline.mark_released import mark_released

    with session(json, plan) as context:
        finish(context, mark_released(context, asking(context, "release", env, commit, why, change)))


@task(help={"env": ENV, "why": WHY, "change": CHANGE, "plan": PLAN, "wait": WAIT, "json": JSON})
def complete(c, env="staging", why="", change="", plan=False, wait=None, json=False):
    """Stage 7: check the running release against the Definition of Done; roll back if it fails."""
    from .pipeline.complete import complete

    with session(json, plan) as context:
        finish(
            context, complete(context, asking(context, "complete", env, None, why, change, wait=wait), plan)
        )


@task(help={"env": ENV, "commit": COMMIT, "json": JSON})
def decide(c, env="staging", commit=None, json=False):
    """Show the release decision on a commit, YES or NO, from the journals."""
    from .pipeline.complete import decision_of

    with session(json) as context:
        finish(context, decision_of(context, asking(context, "decide", env, commit, "", "")))


@task(help={"env": ENV, "sha": "commit SHA of a package that was released before; default: HEAD",
            "why": WHY, "change": CHANGE, "approval": APPROVAL, "wait": WAIT, "plan": PLAN,
            "json": JSON})  # fmt: skip
def replay(c, env="staging", sha=None, why="", change="", approval="", wait=None, plan=False, json=False):
    """Accept, deploy and complete an existing package again, without building it."""
    from .pipeline.ship import ship

    with session(json, plan) as context:
        request = asking(context, "replay", env, sha, why, change, approval=approval, wait=wait)
        finish(context, ship(context, request))


@task(help={"env": ENV, "plan": PLAN, "json": JSON})
def reconcile(c, env="staging", plan=False, json=False):
    """Find out what an unfinished action changed on the platform, and record its outcome."""
    from .commands.reconcile import report

    with session(json, plan) as context:
        finish(context, report(context, context.config.name_of(env)))


@task(help={"json": JSON})
def status(c, json=False):
    """Show what should run and what does run in each environment, and any drift."""
    from .commands.status import report

    with session(json) as context:
        finish(context, report(context))


@task(help={"env": ENV, "limit": "number of entries", "json": JSON})
def history(c, env="staging", limit=20, json=False):
    """List what happened in an environment, newest first."""
    from .commands.status import report_history

    with session(json) as context:
        finish(context, report_history(context, context.config.name_of(env), limit))


@task(help={"env": ENV, "at": "UTC date or ISO 8601 time; default: now", "json": JSON})
def why(c, env="staging", at="", json=False):
    """Show what ran in an environment at a time, since when, who deployed it and why."""
    from .commands.why import report

    with session(json) as context:
        finish(context, report(context, context.config.name_of(env), at))


@task(help={"keep": "leave the sandbox running and print its addresses", "plan": PLAN, "json": JSON})
def rehearse(c, keep=False, plan=False, json=False):
    """Rehearse a full release of HEAD on the sandbox: staging, production, rollback, evidence."""
    from .commands.rehearse import rehearse

    with session(json, plan) as context:
        finish(context, rehearse(context, keep))


@task(
    name="up",
    help={
        "port": "port to listen on; 0: any free port",
        "database": "sqlite or postgres",
        "plan": PLAN,
        "json": JSON,
    },
)
def sandbox_up(c, port=0, database="sqlite", plan=False, json=False):
    """Start the local platform with the apps of release.toml."""
    from .commands import sandbox

    with session(json, plan) as context:
        finish(context, sandbox.up(context, port, database))


@task(name="down", help={"plan": PLAN, "json": JSON})
def sandbox_down(c, plan=False, json=False):
    """Stop the local platform and all its processes; keep its data."""
    from .commands import sandbox

    with session(json, plan) as context:
        finish(context, sandbox.down(context))


@task(name="status", help={"json": JSON})
def sandbox_status(c, json=False):
    """Show the addresses, releases and processes of the local platform."""
    from .commands import sandbox

    with session(json) as context:
        finish(context, sandbox.status(context))


@task(name="logs", help={"app": "app or environment name", "num": "number of lines", "json": JSON})
def sandbox_logs(c, app="staging", num=100, json=False):
    """Show the last log lines of an app on the local platform."""
    from .commands import sandbox

    with session(json) as context:
        sandbox.logs(context, context.config.app(app), num)


@task(name="env", help={"json": JSON})
def sandbox_env(c, json=False):
    """Print shell exports that point the platform's own CLI at the local platform."""
    from .commands import sandbox

    with session(json) as context:
        sandbox.env(context)


@task(
    name="faults",
    help={"set": "JSON list of faults to inject; 'none' clears them", "plan": PLAN, "json": JSON},
)
def sandbox_faults(c, set="", plan=False, json=False):
    """Show or set the faults that the local platform injects."""
    from .commands import sandbox

    with session(json, plan) as context:
        finish(context, sandbox.faults(context, set))


@task(name="explain", help={"env": ENV, "action": "deploy, migrate, rollback, certify or adopt", "commit": COMMIT,
                            "json": JSON})  # fmt: skip
def guards_explain(c, env="staging", action="deploy", commit=None, json=False):
    """Show each guard: its rule, its verdict now, and the facts it read."""
    from .commands.explain import explain

    with session(json) as context:
        finish(context, explain(context, asking(context, action, env, commit, "", "")))


@task(name="approve", help={"env": ENV, "why": "what you reviewed", "plan": PLAN, "json": JSON})
def guards_approve(c, env="staging", why="", plan=False, json=False):
    """Approve the release policy of HEAD with your key, where production requires a second signature."""
    from .commands.approve import approve

    with session(json, plan) as context:
        name = context.config.name_of(env)
        require("why", why)
        finish(context, approve(context, name, why))


@task(name="status", help={"env": ENV, "commit": HELD_COMMIT, "json": JSON})
def lock_status(c, env="staging", commit=None, json=False):
    """Show who has locked an environment, or the package of a commit."""
    from .execution import holding

    with session(json) as context:
        finish(context, holding.status(context, holding.place_held(context, env, commit)))


@task(
    name="unlock",
    help={
        "env": ENV,
        "commit": HELD_COMMIT,
        "token": "number of the start entry that holds the lock",
        "reason": "how you know that its holder is dead",
        "unfenced": "do not close its fence: what it sent may still have its effect",
        "plan": PLAN,
        "json": JSON,
    },
)
def lock_unlock(c, env="staging", commit=None, token=0, reason="", unfenced=False, plan=False, json=False):
    """Release a lock whose holder is dead; a signed entry records who did it and why."""
    from .execution import holding

    with session(json, plan) as context:
        place = holding.place_held(context, env, commit)
        finish(context, holding.unlock(context, place, token, reason, unfenced=unfenced))


@task(name="keys", help={"name": "key name", "folder": "folder for the private key",
                         "import": "use this existing private key file (OpenSSH or PEM); it is not moved",
                         "policy": "write a trust.toml for the keys build, verification, approval and deploy",
                         "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_keys(c, name="release", folder="", import_="", policy=False, plan=False, json=False):
    """Create or import a signing key: private key outside the project, public key in .release/trust."""
    from .commands import evidence, trust

    with session(json, plan) as context:
        finish(context, trust.policy(context) if policy else evidence.keys(context, name, folder, import_))


@task(name="revoke", help={"key": "key name, or key ID SHA256:…", "why": "what happened", "plan": PLAN,
                           "rule": "end only this rule of trust.toml: 1, 2, …", "json": JSON})  # fmt: skip
def evidence_revoke(c, key, why="", rule=0, plan=False, json=False):
    """Revoke a key, or one of its rules, from now on; entries signed before stay valid."""
    from .commands import revoke

    with session(json, plan) as context:
        require("why", why)
        finish(context, revoke.revoke(context, key, why.strip(), rule))


@task(name="audit", iterable=["anchor"], help={
    "env": "audit only this environment's journal, and the entries of others that it refers to; default: all",
    "anchor": "FILE or git:REPOSITORY to compare heads with (repeatable)",
    "tsa": "PEM certificates of the authority that timestamped the anchor files", "json": JSON})  # fmt: skip
def evidence_audit(c, env=None, anchor=None, tsa="", json=False):
    """Audit every journal of the target: signatures, chain, evidence, anchors."""
    from .commands import audit

    with session(json) as context:
        only = context.config.name_of(env) if env else ""
        finish(context, audit.audit(context, anchor or (), tsa, only))


@task(name="anchor", help={"env": ENV, "to": "file to write, for example for a CI artifact; default: a git tag",
                           "timestamp": "URL of an RFC 3161 authority to timestamp the file", "plan": PLAN,
                           "json": JSON})  # fmt: skip
def evidence_anchor(c, env="staging", to="", timestamp="", plan=False, json=False):
    """Save the journal's head outside its store, to detect removed entries or an old copy later."""
    from .execution.anchor import anchor as to_anchor

    with session(json, plan) as context:
        finish(context, to_anchor(context, context.config.name_of(env), to, timestamp))


@task(name="clock", help={"env": ENV, "commit": HELD_COMMIT, "why": "how you know that the clock is right",
                          "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_clock(c, env="staging", commit=None, why="", plan=False, json=False):
    """Confirm that this machine's clock is right, when the newest entry was written by one that was ahead."""
    from .commands import evidence
    from .execution import holding

    with session(json, plan) as context:
        place = holding.place_held(context, env, commit)
        require("why", why)
        finish(context, evidence.clock(context, place, why))


@task(name="accept-loss", help={"env": ENV, "why": "what happened to the entries, and why they cannot be restored",
                                "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_accept_loss(c, env="staging", why="", plan=False, json=False):
    """Accept the loss of journal entries: the journal continues at a higher number, and audits report it."""
    from .commands import accept_loss

    with session(json, plan) as context:
        environment = context.config.name_of(env)
        require("why", why)
        finish(context, accept_loss.accept(context, environment, why))


@task(name="export", help={"env": ENV, "release": f"{RELEASE_EXAMPLE}, or its journal entry number",
                           "to": "folder to create", "plan": PLAN, "json": JSON})  # fmt: skip
def evidence_export(c, env="staging", release="", to="", plan=False, json=False):
    """Export one release as in-toto layout, links and predicates, for the standard in-toto-verify."""
    from .commands import evidence

    with session(json, plan) as context:
        finish(context, evidence.export(context, context.config.name_of(env), release, to))


@task(name="release", help={"commit": COMMIT, "repository": REPOSITORY, "tag": TAG, "plan": PLAN, "json": JSON,
                            "platforms": "comma-separated; default: linux/amd64,linux/arm64",
                            "latest": LATEST})  # fmt: skip
def dockerhub_release(c, commit=None, repository="", tag="", platforms="", latest="", plan=False, json=False):
    """Build and publish a commit's image for several platforms under four tags, and record its digest."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.release(context, commit, repository, tag, platforms, latest))


@task(name="push", help={"commit": COMMIT, "repository": REPOSITORY, "tag": TAG, "latest": LATEST, "plan": PLAN,
                         "json": JSON})  # fmt: skip
def dockerhub_push(c, commit=None, repository="", tag="", latest="", plan=False, json=False):
    """Build and publish a commit's image for this machine's platform, and record its digest."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.push(context, commit, repository, tag, latest))


@task(name="build", help={"commit": COMMIT, "repository": REPOSITORY, "tag": TAG, "plan": PLAN, "json": JSON})
def dockerhub_build(c, commit=None, repository="", tag="", plan=False, json=False):
    """Build a commit's image on this machine, tagged with its version and latest; publish nothing."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.build_version(context, commit, repository, tag))


@task(
    name="local",
    help={"commit": COMMIT, "image": "name:tag of the local image", "plan": PLAN, "json": JSON},
)
def dockerhub_local(c, commit=None, image="autorisen:local", plan=False, json=False):
    """Build a commit's image on this machine under one name; publish nothing."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.build(context, commit, (image,)))


@task(name="login", help={"repository": REPOSITORY, "plan": PLAN, "json": JSON})
def dockerhub_login(c, repository="", plan=False, json=False):
    """Log in to the image registry with DOCKERHUB_USERNAME and DOCKERHUB_TOKEN."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.login(context, repository))


@task(name="logout", help={"repository": REPOSITORY, "plan": PLAN, "json": JSON})
def dockerhub_logout(c, repository="", plan=False, json=False):
    """Log out of the image registry."""
    from .commands import dockerhub

    with session(json, plan) as context:
        finish(context, dockerhub.logout(context, repository))


@task(name="run", help={"env": "environment of release.toml whose app is asked",
                        "url": "address of a candidate that runs elsewhere", "json": JSON})  # fmt: skip
def parity_run(c, env=None, url="", json=False):
    """Ask a running candidate parity's cases and suites, compare the answers, write the report."""
    from .commands import parity

    with session(json) as context:
        finish(context, parity.run(context, env, url))


@task(name="compare", help={"baseline": "version of the baseline", "report": "default: parity/reports/latest.json",
                            "strict": "dataset and thresholds of the same versions", "json": JSON})  # fmt: skip
def parity_compare(c, baseline="", report="", strict=False, json=False):
    """Hold the last parity report against a baseline."""
    from .commands import parity

    with session(json) as context:
        finish(context, parity.compare(context, baseline, strict, report))


@task(name="stamp", help={"verify": "look whether each dataset has its stamp", "update": "write the stamps",
                          "file": "a dataset; default: all", "plan": PLAN, "json": JSON})  # fmt: skip
def parity_stamp(c, verify=False, update=False, file="", plan=False, json=False):
    """Verify or write the stamp of parity's golden datasets."""
    from .commands import parity

    with session(json, plan) as context:
        finish(context, parity.stamped(context, verify, update, file))


@task(name="baseline", help={"version": "for example 1.0.0; none is used twice",
                             "report": "default: the last", "plan": PLAN, "json": JSON})  # fmt: skip
def parity_baseline(c, version="", report="", plan=False, json=False):
    """Keep a parity report that passed as a baseline for later runs."""
    from .commands import parity

    with session(json, plan) as context:
        finish(context, parity.keep(context, version, report))


@task(name="request", optional=["skip_parity"],
      help={"env": ENV, "commit": COMMIT, "skip_parity": "skip parity, never for production; alone, true or false",
            "skip_parity_acknowledgement": "the words that accept the skip", "json": JSON})  # fmt: skip
def promote_request(
    c, env="staging", commit=None, skip_parity="", skip_parity_acknowledgement="", json=False
):
    """The request gate: whether a commit may be promoted at all. A request that is rejected ends with 3."""
    from .commands.promotion import request_gate

    with session(json) as context:
        finish(context, request_gate(context, env, commit, skip_parity, skip_parity_acknowledgement))


@task(name="policy", help={"json": JSON})
def promote_policy(c, json=False):
    """The policy gate: required files, thresholds, datasets, and what workflows do with a failure or a secret."""
    from .commands.promotion import policy_gate

    with session(json) as context:
        finish(context, policy_gate(context))


def _group(name: str, *tasks: Task) -> Collection:
    return Collection(name, *tasks)


def mount(root: Path) -> Collection:
    """The namespace of a project whose `tasks.py` lies in `root`; its guards are `root/guards`."""
    use(root)
    answer_in_our_words()
    groups = {
        "Pipeline stages, in order": (intake, build, accept, release, deploy, migrate, complete),
        "Several stages in one command": (ship, replay, rehearse),
        "Other changes and tests": (test, certify, config, rollback, reconcile, adopt),
        "Reports": (status, verify, smoke, history, why, decide),
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
        _group("promote", promote_request, promote_policy),
        _group("parity", parity_run, parity_compare, parity_stamp, parity_baseline),
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
