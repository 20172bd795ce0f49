from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan

LONGEST = 200


def migration_is_approved(plan: Plan, facts: Facts) -> str | None:
    """The schema of production changes only with an approval on record."""
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    if plan.request.action == "deploy" and not plan.request.maintenance:
        raise NotApplicable("this deploy changes no schema")
    pending = facts.migrations.value.pending(facts.revision.value)
    if not pending:
        raise NotApplicable("no migration is pending")
    approval = plan.request.approval
    if not approval.strip():
        names = "; ".join(m.described for m in pending)
        return f"migrating {facts.name} needs an approval ({names}): give it with --approval REF"
    if len(approval) > LONGEST or not approval.isprintable() or not any(c.isalnum() for c in approval):
        return f"the approval is not a reference: give one line of at most {LONGEST} characters with --approval REF"
    return None
