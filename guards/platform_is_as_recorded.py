from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def platform_is_as_recorded(plan: Plan, facts: Facts) -> str | None:
    """Nothing is changed while the platform has a change made outside roadworthy.

    It does not apply to what repairs it: a rollback, a deploy of the package that the journal says should run,
    and a deploy that ends maintenance mode.
    """
    ends_maintenance = plan.request.action == "deploy" and plan.request.maintenance
    drifts = [d for d in facts.drift.value if not (d.what == "maintenance" and ends_maintenance)]
    running = facts.history.value.running
    if not drifts and facts.drift.value:
        raise NotApplicable("maintenance mode was turned on by hand; this deploy turns it off")
    if not drifts:
        return None
    again = running and plan.package and plan.package.digest == running.package.digest
    if plan.request.action == "deploy" and again and all(d.what == "release" for d in drifts):
        raise NotApplicable(f"this restores what the journal says should run, in place of {drifts[0].seen}")
    more = f" (and {len(drifts) - 1} more, see invoke status)" if drifts[1:] else ""
    return f"{drifts[0]}{more}"
