"""One file per stage or action: what it would do (`plan`, pure) and how it looks again (`confirm`)."""
