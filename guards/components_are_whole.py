from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan, ReleasePackage, digest_of


def components_are_whole(plan: Plan, facts: Facts) -> str | None:
    """All components come from one commit, match the release's digest together, and go to their own apps."""
    package, environment = plan.package, facts.environment
    if package is None or not package.parts:
        raise NotApplicable("the package has one component")
    if digest_of({part.component: part.digest for part in package.parts}) != package.digest:
        return (
            f"{package.digest[:12]} is not the digest of its components: build them again with invoke build"
        )
    if {part.commit for part in package.parts} != {package.commit}:
        return f"not every component is of {package.commit[:12]}: build them again with invoke build"
    for step in plan.steps:
        if not isinstance(step, ReleasePackage):
            continue
        component = step.package.component
        if step.app != environment.apps.get(component, environment.app):
            app = step.app or "no app"
            return f"component {component!r} would go to {app}, which is not its own: run the command again"
    return None
