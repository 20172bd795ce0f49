"""The words of the road: what every journal entry says, and a plan and its steps as a person reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .compatibility import ARTIFACT, release_name
from .journal.entry import place_of
from .model import (
    Facts,
    Maintenance,
    Package,
    Plan,
    Proof,
    Receipt,
    ReleasePackage,
    Request,
    RunCommand,
    SetConfig,
    Step,
    Verdict,
    Watch,
)
from .packages.start_commands import RELEASE

if TYPE_CHECKING:
    from .journal.entry import Entry, Record
    from .model import Observed
    from .world import World


def record(context: World, kind: str, stage: str, plan: Plan, details: Mapping[str, Any]) -> Record:
    """An entry about `plan`, of the contract's `stage`."""
    from .journal.entry import Record

    package = plan.package
    return Record(
        kind=kind,
        stage=stage,
        action=plan.request.action,
        environment=plan.request.environment,
        target=context.target,
        subject=package.name if package else "none",
        digest=package.digest if package else "",
        details=dict(details),
    )


def said(plan: Plan, verdicts: tuple[Verdict, ...] = ()) -> dict[str, Any]:
    """What every entry says of its request, its plan and who writes it."""
    from .journal import lock

    request = plan.request
    told: dict[str, Any] = {
        "from": dict(plan.before),
        "to": dict(plan.after),
        "change": {"id": request.change, "why": request.why},
        "actor": lock.this_process(),
        "app": plan.app,
        "pending": list(plan.pending),
    }
    if plan.migrations:
        told["migrations"] = [msgspec.to_builtins(one) for one in plan.migrations]
    if plan.watch:
        told["watch"] = msgspec.to_builtins(plan.watch)
    if verdicts:
        told["verdicts"] = [
            {k: list(v) if isinstance(v, tuple) else v for k, v in msgspec.to_builtins(verdict).items()}
            for verdict in verdicts
        ]
    for name in ("approval", "maintenance", "automatic", "replay"):
        if value := getattr(request, name):
            told[name] = value
    return told


def policy_said(facts: Facts) -> dict[str, Any]:
    """What a start and a refusal say of the files that judged them: HEAD's commit, and digests."""
    return facts.policy.known.said() if facts.policy.known else {}


def proofs(plan: Plan, facts: Facts) -> dict[str, Any]:
    """The entries of other journals that opened a deploy's way, by digest.

    They are the package's test run and certificate and, for production, its acceptance and release. Auditors
    follow them, so a package that was deployed without one of them shows.
    """
    package = plan.package
    if plan.request.action != "deploy" or package is None:
        return {}
    ci, certified, eligible = facts.ci.known, facts.certificate.known, facts.eligible.known
    found = [ci.proof] if ci and ci.outcome == "success" else []
    if facts.environment.production and eligible and eligible.standing.digest == package.digest:
        place = place_of(package.commit)
        passed = filter(None, (eligible.standing.accepted, eligible.standing.released))
        found += [Proof(done.action, place, done.seq, done.sha256) for done in passed]
    found += [certified.proof] if certified and certified.package_digest == package.digest else []
    return {"proofs": named} if (named := [msgspec.to_builtins(proof) for proof in found if proof]) else {}


def phases(facts: Facts) -> dict[str, Any]:
    """The release phase that runs when the package is released, of each component that has one; {} of none."""
    found = {one.component: one.commands.get(RELEASE) for one in facts.start_commands.known or ()}
    said = {component: command for component, command in found.items() if command}
    return {"release_phase": said.get("", said)} if said else {}


def before(observed: Observed) -> dict[str, Any]:
    """What a start records of what ran. `newest` is the newest release, which may have failed and not run."""
    told: dict[str, Any] = {
        "commit": observed.commit,
        "digest": observed.digest,
        "release": observed.current.order if observed.current else 0,
        "newest": observed.releases[0].order if observed.releases else 0,
    }
    if observed.parts:
        told["components"] = [{"name": name, **before(part)} for name, part in observed.parts.items()]
    return told


def numbers(observed: Observed) -> dict[str, int]:
    """The number of the release that each component runs; "" is the only one, 0 is none."""
    shown = observed.parts or {"": observed}
    return {name: one.current.order if one.current else 0 for name, one in shown.items()}


def names(observed: Observed) -> str:
    """The names of those releases, for people: of each component where there are several."""
    shown = {name: observed.of(name).name_of(number) for name, number in numbers(observed).items()}
    return ", ".join(f"{component} {name or 'no release'}".strip() for component, name in shown.items())


def numbers_before(was: Mapping[str, Any]) -> dict[str, int]:
    """The same, of what `before` recorded."""
    return {one["name"]: one["release"] for one in was.get("components", ())} or {"": was["release"]}


def after(package: Package) -> dict[str, Any]:
    """What a start records of the package that is to run."""
    told: dict[str, Any] = {"commit": package.commit, "digest": package.digest, "size": package.size}
    if package.parts:
        told["components"] = [{"name": part.component, **after(part)} for part in package.parts]
    elif package.kind == "image":
        told |= {"ref": package.ref, "config": package.config}
    return told


def recorded(start: Entry) -> Plan:
    """The plan that a start was written for, as `said`, `before` and `after` recorded it, without steps."""
    record, details = start.record, start.record.details
    change, to = details["change"], details["to"]
    request = Request(
        action=record.action,
        environment=record.environment,
        commit=str(to.get("commit", "")),
        change=str(change["id"]),
        why=str(change["why"]),
        approval=str(details.get("approval", "")),
        maintenance=bool(details.get("maintenance", False)),
    )
    kind, _, commit = record.subject.partition(":")
    package = None
    if record.digest:
        package = _package(commit, kind, record.digest, to)
    return Plan(
        request=request,
        app=str(details["app"]),
        steps=(),
        package=package,
        before=details["from"],
        after=to,
        pending=tuple(details.get("pending", ())),
        watch=msgspec.convert(details["watch"], Watch) if "watch" in details else None,
    )


def _package(commit: str, kind: str, digest: str, to: Mapping[str, Any], component: str = "") -> Package:
    parts = tuple(
        _package(commit, kind, str(one["digest"]), one, str(one["name"])) for one in to.get("components", ())
    )
    config, size = str(to.get("config", "")), int(to.get("size", 0))
    return Package(commit, digest, size, kind=kind, config=config, component=component, parts=parts)


def released(plan: Plan, receipts: Sequence[Receipt], failed: Collection[str] = ()) -> dict[str, Any]:
    """What an end records of the package that was to run: the release that it became, {} where it became none.

    Of several components, those of each that was released or left as it ran. The releases of the components that
    `failed`, as the platform says, never ran: that is noted, for what ran before them was left alone.
    """
    made = {
        r.component: {
            "release": r.release,
            ARTIFACT: r.artifact,
            **({"status": "failed"} if r.component in failed else {}),
        }
        for r in receipts
        if r.release
    }
    if not made:
        return {}
    told = plan.after.get("components")
    if not told:
        return {**plan.after, **made[""]}
    components = [{**one, **made.get(one["name"], {})} for one in told]
    first = {"release": 0, ARTIFACT: ""} | {
        key: components[0][key] for key in ("release", ARTIFACT, "status") if key in components[0]
    }
    return {**plan.after, **first, "components": components}


def releases(plan: Plan, receipts: Sequence[Receipt]) -> dict[str, int]:
    """The number of the release that each component should run; "" is the only one."""
    told = released(plan, receipts) or plan.after
    return {one["name"]: one.get("release", 0) for one in told.get("components", ())} or {
        "": told.get("release", 0)
    }


def shown(to: Mapping[str, Any]) -> str:
    """The releases that `to` of an entry names, for people, of each of several components; "" for none."""
    parts = [
        f"{one['name']} {release_name(one['release'])}"
        for one in to.get("components", ())
        if one.get("release")
    ]
    return ", ".join(parts) or release_name(to.get("release", 0))


def evidence_of(context: World, environment: str, entry: Entry) -> str:
    """Where a journal entry lies: a path from the project's folder where it is in it, or a bucket's address."""
    where = f"{context.store.place}/{context.target}/{environment}/{entry.seq:08d}.json"
    return where if "://" in where else context.shown(Path(where))


def name_of(step: Step) -> str:
    """A step in a few words."""
    match step:
        case ReleasePackage():
            component = f" {step.package.component}" if step.package.component else ""
            where = f" to {step.app}" if step.app else ""
            return f"release{component} {step.package.commit[:12]}{where} (sha256 {step.package.digest[:12]})"
        case RunCommand():
            return f"run {step.command}"
        case SetConfig():
            where = f" of {step.app}" if step.app else ""
            return f"change {', '.join(step.values)}{where}"
        case Maintenance():
            where = f" of {step.app}" if step.app else ""
            return f"turn maintenance{where} {'on' if step.on else 'off'}"


def describe(plan: Plan) -> str:
    """One line that says what would happen."""
    if plan.already:
        return plan.already
    if plan.after.get("seen"):
        return (
            f"nothing to migrate: write down that the database of {plan.app} is at {plan.after['revision']}"
        )
    what = f"{plan.package.name[:17]} ({plan.package.digest[:12]})" if plan.package else plan.app
    if plan.package and plan.package.parts:
        what += f" of {', '.join(part.component for part in plan.package.parts)}"
    for verb, names in plan.after.get("vars", {}).items():
        what += f", {verb} {', '.join(names)}" if names and verb != "component" else ""
    watched = f", then watch for {plan.watch.millis / 1000:g} s" if plan.watch else ""
    return f"{plan.request.action} {what}{watched}"
