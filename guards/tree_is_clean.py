from roadworthy.model import Facts, Plan


def tree_is_clean(plan: Plan, facts: Facts) -> str | None:
    """The working tree is committed, so nobody believes that an uncommitted change was released."""
    tree = facts.tree.value
    if tree.clean:
        return None
    shown = ", ".join(line[3:] for line in tree.changed[:3])
    more = ", …" if len(tree.changed) > 3 else ""
    return f"not committed: {shown}{more}; commit or remove it (git status), then run the command again"
