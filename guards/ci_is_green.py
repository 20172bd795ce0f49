from roadworthy.model import Facts, Plan


def ci_is_green(plan: Plan, facts: Facts) -> str | None:
    """The tests of this very commit ended in success."""
    ci = facts.ci.value
    if ci.outcome == "missing":
        return f"{ci.source}: run invoke test, or invoke ship, which runs it"
    if ci.outcome != "success":
        look = f"look at {ci.url}, then " if ci.url else ""
        return f"tests of this commit are not green: {ci.source} says {ci.outcome!r}; {look}run them again"
    return None
