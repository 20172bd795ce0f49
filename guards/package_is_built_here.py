from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def package_is_built_here(plan: Plan, facts: Facts) -> str | None:
    """A production image has a recorded build; it was not found under a tag that others can push."""
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    parts = plan.package.each if plan.package else ()
    if all(part.kind != "image" for part in parts):
        raise NotApplicable("the package is not an image: its bytes come from its commit")
    for part in parts:
        if part.found:
            where = part.ref.partition("@")[0]
            return (
                f"the image of {part.commit[:12]} was found in {where} under its tag, but has no recorded build: "
                "make a new commit, and build it with invoke build while nobody else pushes there"
            )
    return None
