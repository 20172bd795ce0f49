"""Where a commit stands by the journals, whether that is a YES, and the contract's files that show it."""
