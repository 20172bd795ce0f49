"""`deploy_guard.sh` asks the same question in a plain shell; tests/parity holds the two together."""

from collections.abc import Mapping

from roadworthy.config import APP_NAME, Environment
from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def deploy_guard(plan: Plan, facts: Facts) -> str | None:
    """A production app changes only from a machine whose environment says ALLOW_PROD_DEPLOY=YES."""
    for app in (plan.app, *facts.environment.apps.values()):
        answer = decide(app, plan.request.keys.allow_prod_deploy, {facts.name: facts.environment})
        if answer == 2:
            return f"{app!r} is not an app of {facts.name}: correct environments.{facts.name} in release.toml"
        if answer == 42:
            return f"{app} is a production app: set ALLOW_PROD_DEPLOY=YES where deploying to it is allowed"
    if not facts.environment.production:
        raise NotApplicable(f"{plan.app} is not a production app")
    return None


def decide(app: str | None, allow: str | None, environments: Mapping[str, Environment]) -> int:
    """The exit code for `app`: 0 may change, 2 no, malformed or unknown app, 42 production without the key.

    `allow` is the value of ALLOW_PROD_DEPLOY, None when it is not set; only exactly "YES" opens production.
    """
    if app is None or not APP_NAME.fullmatch(app):
        return 2
    owners = [e for e in environments.values() if app in e.names]
    if not owners:
        return 2
    return 42 if any(e.production for e in owners) and allow != "YES" else 0
