"""Damaged files for readers: what hypothesis does to the bytes of a whole one, and what may come of it."""

import pytest
from hypothesis import strategies as st


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """``content``, cut, or with one to four bytes or stretches changed, lost, doubled or put in."""
    content = bytearray(content)
    if draw(st.booleans()):
        return bytes(content[:draw(st.integers(0, max(len(content) - 1, 0)))])
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 12)))
        kind = draw(st.sampled_from(("change", "lose", "double", "put in")))
        new = {"lose": b"", "double": 2 * bytes(content[start:stop])}.get(kind)
        if new is None:
            new = draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from((b"\xff" * 4, b"\x00" * 8, b"\n", b"\r"))))
        content[start:stop if kind != "put in" else start] = new
    return bytes(content)


def refused_by_name(read, name: str) -> None:
    """``read()`` returns, or raises a ValueError or OSError that names the file; nothing else."""
    try:
        read()
    except (ValueError, OSError) as error:
        assert not isinstance(error, UnicodeError), error
        assert name in str(error), f"{name} is not in the message: {error}"


def refuses(read, message: str, kind: type = ValueError) -> None:
    """``read()`` raises an error of the kind with a message that the regular expression finds."""
    with pytest.raises(kind, match=message):
        read()
