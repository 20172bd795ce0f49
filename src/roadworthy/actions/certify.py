"""Certify: prove that what runs in an environment is fit for production, and write the certificate.

The steps are the playbook's (§6.4): migrations twice, the second proven to change nothing; health, csrf, me
and version; a scan of the log since this release. The certificate `.release/<app>_certified` is a view of the
journal entry that names its digest; editing it opens nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ..action import Action, Effect
from ..config_rules import NONE
from ..errors import RoadworthyError
from ..facts.observe import apps_of, observe
from ..facts.revision import revision_in
from ..model import Confirmation, Facts, Plan, PlatformRelease, Receipt, Request
from . import migrate
from .migrate import pending_in
from .running import as_evidence, ask

if TYPE_CHECKING:
    from datetime import datetime

    from ..config import Config
    from ..world import World

SHOWN: Final = 10  # log lines that are quoted


def plan(request: Request, facts: Facts, config: Config) -> Plan:
    """Migrate, ask for the revision, and both once more; nothing is released."""
    revision = migrate.told(facts)
    pending = pending_in(facts) or ()
    once = migrate.steps(facts, config)
    package = facts.package.value
    return Plan(
        request=request,
        app=facts.environment.app,
        steps=once + once,
        package=package,
        before={"revision": revision},
        after={
            "commit": package.commit,
            "digest": package.digest,
            "size": package.size,
            **migrate.leads_to(facts),
        },
        pending=migrate.revisions(pending),
        migrations=pending,
    )


def confirm(context: World, plan: Plan, receipts: tuple[Receipt, ...]) -> Confirmation:
    """Everything that the certificate says, seen now. It, the checks and the SLSA summary are attached."""
    from ..journal import predicates

    if plan.package is None:
        raise ValueError("a certificate speaks for a package")
    first, second = map(revision_in, migrate.answers(context.config, receipts)) if receipts else (None, None)
    problems: list[str] = []
    problems += [f"after the migration {problem}" for problem in migrate.missing(plan, first)]
    if second != first:
        problems.append(f"the second migration changed the database from {first} to {second}")
    observed = observe(context, plan.request.environment).as_of(plan.package)
    if observed.digest != plan.package.digest:
        problems.append(f"the platform runs package {observed.digest[:12]}, not {plan.package.digest[:12]}")
    results = ask(context, plan.request.environment, observed.urls, plan.package)
    problems += [f"check {r.name}: {r.reason}" for r in results if r.outcome != "passed"]
    for part, app in apps_of(context.config, plan.request.environment, plan.package):
        current = observed.of(part.component).current
        problems += scan(context, app, current) if current else [f"{app} has no release"]
    if not any("{commit}" in check.json.values() for check in context.config.checks):
        problems.append("no check of release.toml compares the commit that runs")
    details = {"revision": second}
    start = context.log(plan.request.environment).open_start()
    if start is None:
        return Confirmation((*problems, "the journal has no open start"), details)
    at = context.now()
    verdict = predicates.verification_summary((start,), _utc(at), passed=not problems)
    attach = {**as_evidence(results), "verification-summary.json": predicates.as_file(verdict)}
    if problems:
        return Confirmation(tuple(problems), details, attach)
    expires = at + timedelta(seconds=context.config.limits.certificate)
    name = f"{plan.app}_certified"
    lines = {
        "CERTIFIED_APP": plan.app,
        "CERTIFIED_SHA": plan.package.commit,
        "CERTIFIED_ALEMBIC_HEAD": second or NONE,
        "CERTIFIED_AT": _utc(at),
        "CERTIFIED_RUNTIME_VERSION": plan.package.commit,  # as the app said: a check has just compared it
        "CERTIFIED_WEB_URL": observed.url,
        "CERTIFIED_PACKAGE": f"sha256:{plan.package.digest}",
        "CERTIFIED_TARGET": context.target,
        "CERTIFIED_ENTRY": f"{start.seq} {start.sha256}",  # the start that this certification settles
        "CERTIFIED_EXPIRES": _utc(expires),
    }
    text = "".join(f"{key}={value}\n" for key, value in lines.items())
    details.update({"certificate": name, "expires": _utc(expires)})
    return Confirmation((), details, {name: text.encode(), **attach})


def scan(context: World, app: str, current: PlatformRelease) -> list[str]:
    """The log lines since the release that break a rule. A log that cannot be read is a problem itself."""
    from ..checks import logs

    since = current.created_at
    with context.screen.step(f"scanning the log since {_utc(since)}") as step:
        doing = "read"
        try:
            lines = list(logs.since(context.platform.logs(app, since, current), since))
            doing = "scanned"
            found = logs.scan(lines, context.config.logs.rules)
        except RoadworthyError as error:
            step.fail()
            return [f"the log cannot be {doing}: {error}"]
        step.fail(found.hits)
    if not found.hits:
        return []
    mask = context.platform.mask(app)  # for what is quoted: the rules see the lines as they are
    return [f"log rule {hit.rule!r}: {mask(hit.text).strip()[:200]}" for hit in found.hits[:SHOWN]]


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


ACTION = Action(
    name="certify",
    stage="verification",
    plan=plan,
    confirm=confirm,
    effect=Effect.DATABASE,
    own_migrations=True,
    opens_production=True,
    again="the certification was interrupted: run `invoke certify` again",
)
