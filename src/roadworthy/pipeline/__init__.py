"""The contract's seven stages, in order: where a commit stands in them, and what comes next."""
