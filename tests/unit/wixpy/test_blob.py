# SPDX-License-Identifier: MIT
"""Content that stays where it is until it is asked for."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixpy.blob import FileBlob, PathBlob, Pieces, Streams, chunks
from wixpy.errors import WixpyError

DATA = bytes(range(100))
bounds = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(bounds, max_size=6), st.integers(-5, 120), st.integers(-5, 120))
def test_pieces_are_the_regions_one_after_the_other(regions: list[tuple[int, int]], first: int, last: int) -> None:
    joined = b"".join(DATA[start:end] for start, end in regions)
    pieces = Pieces(DATA, regions)
    assert len(pieces) == len(joined)
    assert pieces[first:last] == joined[first:last]
    assert b"".join(chunks(pieces, 7)) == joined


@pytest.mark.parametrize("part", [slice(None), slice(0, 2), slice(60, 70), slice(90, 200), slice(50, 10)])
def test_files_give_slices(part: slice, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    assert PathBlob(tmp_path / "x")[part] == FileBlob(BytesIO(DATA))[part] == DATA[part]


def test_a_file_that_shrinks_or_goes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(DATA)
    blob = PathBlob(path)
    path.write_bytes(DATA[:80])
    with pytest.raises(WixpyError, match="became shorter"):
        blob[:]
    path.unlink()
    with pytest.raises(WixpyError, match="cannot read"):
        blob[:]


def test_streams_give_bytes_and_keep_blobs() -> None:
    blob = FileBlob(BytesIO(DATA))
    streams = Streams([("a", b"1")])
    streams["b"] = blob
    assert streams == {"a": b"1", "b": DATA}
    assert streams.blob("b") is blob
    assert Streams(streams.blobs()).blob("b") is blob
    del streams["a"]
    assert list(streams) == ["b"]
