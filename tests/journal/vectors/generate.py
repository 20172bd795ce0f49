"""Writes every vector anew, to the same bytes: `python -m journal.vectors.generate`, in `tests`."""

from __future__ import annotations

from . import of_anchors, of_chains, of_entries, of_fields, of_proofs, of_rights, of_roads, of_trust
from .testkit import FOLDER, write
from .writing import VECTORS

CASES = (of_entries, of_fields, of_chains, of_trust, of_rights, of_anchors, of_proofs, of_roads)


def texts() -> dict[str, str]:
    """What is to be in each file, by its path below the folder of vectors."""
    return {name: write(vector) for name, vector in VECTORS.items()}


if __name__ == "__main__":
    for old in FOLDER.glob("*/*.txt"):
        old.unlink()
    for name, text in texts().items():
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
