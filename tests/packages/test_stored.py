"""A stored gzip file is one that everybody reads, and its bytes depend on its content alone."""

from __future__ import annotations

import gzip
import hashlib
import io

from hypothesis import given
from hypothesis import strategies as st

from roadworthy.packages.stored import Stored


def stored(*pieces: bytes) -> bytes:
    out = io.BytesIO()
    sink = Stored(out)
    for piece in pieces:
        sink.write(piece)
    digest = sink.end()
    assert (digest, sink.size) == (hashlib.sha256(out.getvalue()).hexdigest(), len(out.getvalue()))
    return out.getvalue()


@given(st.lists(st.binary(max_size=300)), st.integers(0, 140_000))
def test_it_reads_back_and_how_it_was_cut_does_not_matter(pieces: list[bytes], zeros: int) -> None:
    content = b"".join(pieces) + bytes(zeros)
    raw = stored(content)
    assert gzip.decompress(raw) == content
    assert stored(*pieces, bytes(zeros)) == raw


def test_it_names_no_time_and_no_system() -> None:
    assert stored(b"")[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
