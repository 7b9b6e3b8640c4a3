"""Files are there completely or not at all."""

import pytest

from tinymm.backend.files import replacing


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old" and temporary.suffix == ".json" and temporary.parent == tmp_path
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half"):
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("half written")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
