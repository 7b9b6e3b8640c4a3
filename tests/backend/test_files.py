"""Files are there completely or not at all."""

import json
import os
import stat

import pytest

from tinymm.backend.files import replacing, target_of, write_json


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


posix = pytest.mark.skipif(os.name != "posix", reason="links, modes and pipes of POSIX")


@posix
def test_a_link_goes_on_pointing_to_its_target_and_a_file_keeps_its_mode(tmp_path):
    target, link, dangling = tmp_path / "target.txt", tmp_path / "link.txt", tmp_path / "dangling.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "new.txt")
    for path in (link, dangling):
        with replacing(path) as temporary:
            temporary.write_text("new")
    assert link.is_symlink() and target.read_text() == "new" and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert dangling.is_symlink() and (tmp_path / "new.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling.txt", "link.txt", "new.txt", "target.txt"]


@posix
def test_what_cannot_be_replaced_is_named_before_anything_is_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, error, message in (("", IsADirectoryError, "is a folder"), ("pipe", OSError, "a device or a pipe"),
                                 ("nowhere/a.txt", FileNotFoundError, "there is no folder"), ("loop", OSError, "loop"),
                                 ("file/a.txt", OSError, "file/a.txt"), ("x" * 256, OSError, "x" * 256),
                                 ("zero\0", OSError, "zero byte")):
        with pytest.raises(error, match=message):
            with replacing(f"{tmp_path}/{name}"):
                pytest.fail("the block ran")
    for name in ("", "/dev/null"):
        with pytest.raises(OSError, match="empty|a device or a pipe"):
            target_of(name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "pipe"]


def test_the_longest_name_that_the_system_takes(tmp_path):
    for name in ("x" * 251 + ".txt", "x." + "y" * 253):
        with replacing(tmp_path / name) as temporary:
            temporary.write_text("long")
        assert (tmp_path / name).read_text() == "long"


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        with replacing(tmp_path / "a.txt"):
            pass   # nothing was written
    assert raised.value.filename == str(tmp_path / "a.txt")


def test_json_without_numbers_that_it_does_not_know(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1.0, float("nan"), (float("inf"), "é")]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1.0, None, [None, "é"]]}
