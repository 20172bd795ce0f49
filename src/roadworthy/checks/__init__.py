"""Questions asked of a running system, and of its log. A check passes or fails; there is no warning."""
