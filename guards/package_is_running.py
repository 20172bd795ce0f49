from roadworthy.model import Facts, Plan


def package_is_running(plan: Plan, facts: Facts) -> str | None:
    """The platform runs the package of the journal and the plan, so a one-off process uses it too."""
    running = facts.history.value.running
    if running is None:
        return f"nothing was ever deployed to {facts.name}: invoke deploy --env {facts.name}"
    digest, seen = running.package.digest, facts.observed.value.as_of(running.package).digest
    if seen != digest:
        return (
            f"{plan.app} runs {seen[:12] or 'no package'}, the journal says {digest[:12]}: "
            f"invoke reconcile --env {facts.name}"
        )
    if plan.package is None or plan.package.digest != digest:
        meant = plan.package.digest[:12] if plan.package else "no package"
        return (
            f"the plan is for {meant}, {plan.app} runs {digest[:12]}: invoke deploy --env {facts.name} first"
        )
    return None
