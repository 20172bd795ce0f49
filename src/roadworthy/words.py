"""Numbers in messages."""


def count(number: int, noun: str) -> str:
    """`number` with its noun, which takes an s unless there is one of it: "1 fault", "0 faults"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
