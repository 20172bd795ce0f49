from datetime import datetime

from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def staging_is_certified(plan: Plan, facts: Facts) -> str | None:
    """The environment before this one holds a valid certificate of this very package and commit."""
    before = facts.environment.certified_in
    if not before:
        raise NotApplicable(f"{facts.name} needs no certificate")
    certified, package = facts.certificate.value, plan.package
    again = f"invoke certify --env {before}"
    if package is None:
        return "the plan names no package that could be certified: invoke build, then run the command again"
    if certified is None:
        return f"commit {package.commit[:12]} is not certified in {before}: deploy it there, then {again}"
    if certified.package_digest != package.digest:
        other = certified.package_digest[:12]
        return f"{before} certified package {other}, not {package.digest[:12]}: {again}"
    if certified.commit != package.commit:
        other = certified.commit[:12]
        return f"{before} certified commit {other}, not {package.commit[:12]}: {again}"
    if not certified.file_found:
        return f"the certificate {certified.path} is gone: {again}"
    if certified.file_found != certified.file_sha256:
        return f"the certificate {certified.path} was altered after it was signed: {again}"
    if datetime.fromisoformat(certified.expires) <= facts.now:
        return f"the certificate of {before} expired at {certified.expires}: {again}"
    return None
