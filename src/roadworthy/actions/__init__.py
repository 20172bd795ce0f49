"""What changes an environment: one file per action, with a pure `plan` and a `confirm` that looks again."""
