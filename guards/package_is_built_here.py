from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def package_is_built_here(plan: Plan, facts: Facts) -> str | None:
    """An image that goes to production was built on record, and not found under a tag that others can push."""
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    parts = plan.package.each if plan.package else ()
    if all(part.kind != "image" for part in parts):
        raise NotApplicable("what is released is no image: its bytes are those of its commit")
    for part in parts:
        if part.found:
            where = part.ref.partition("@")[0]
            return (
                f"the image of {part.commit[:12]} was found in {where} under its tag, and no build is on record: "
                "commit again, and let invoke build build it, with nobody else pushing there"
            )
    return None
