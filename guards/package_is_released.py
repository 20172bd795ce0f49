from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def package_is_released(plan: Plan, facts: Facts) -> str | None:
    """A production package was taken in, built, accepted for this change and released, in this order."""
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    package, standing = plan.package, facts.eligible.value.standing
    if package is None:
        return "the plan names no package: invoke build, then run the command again"
    if lacks := standing.lacks("deploy"):
        return f"{package.commit[:12]}: {lacks}"
    if standing.digest != package.digest:
        return f"{standing.digest[:12]} was released, not {package.digest[:12]}: run `invoke build` again"
    checks = standing.accepted.details.get("checks", {}) if standing.accepted else {}
    if missing := [name for name in facts.eligible.value.required if checks.get(name) != "success"]:
        again = f"invoke accept --env {facts.name} --commit {package.commit}"
        return f"it was accepted without {', '.join(missing)}, which this change needs: {again}"
    return None
