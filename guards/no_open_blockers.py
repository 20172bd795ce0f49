from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def no_open_blockers(plan: Plan, facts: Facts) -> str | None:
    """Nothing goes to production while a P0 or P1 problem is open."""
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    blockers = facts.blockers.value
    if not blockers:
        return None
    shown = "; ".join(f"{b.priority} {b.id} {b.summary}" for b in blockers[:3])
    more = f"; and {len(blockers) - 3} more" if len(blockers) > 3 else ""
    return f"open: {shown}{more}: solve and close them first"
