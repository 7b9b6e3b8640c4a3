"""Frames and flow pictures in folders."""

import numpy as np
import pytest

from tinymm.data import read_clips
from tinymm.data.flow_pictures import flow_of, flow_pictures
from tinymm.data.readers.clips import numbered_pictures
from tinymm.data.readers.ucf101 import LabelledVideo

from .clip_folders import write_flow, write_pictures
from .damage import refuses

VIDEOS = [LabelledVideo("v_Surfing_g01_c01", "Surfing", 87, 1, "testlist01.txt line 1"),
          LabelledVideo("v_YoYo_g02_c03", "YoYo", 100, 2, "testlist01.txt line 2")]
SIZE = (6, 8)


def shades(count, first=0):
    """(count, 3, 6, 8) uint8, picture t of one grey value, ``first`` + t."""
    return np.broadcast_to((first + np.arange(count, dtype=np.uint8))[:, None, None, None], (count, 3, *SIZE))


@pytest.fixture
def folders(tmp_path):
    for video, frames in zip(VIDEOS, (20, 24)):
        write_pictures(tmp_path / "frames" / video.name, shades(frames))
        write_flow(tmp_path / "flow_images" / video.name, shades(frames - 1, 101))
    return tmp_path / "frames", tmp_path / "flow_images"


def test_frames_and_flow_of_one_moment(folders):
    clips = read_clips(VIDEOS, *folders)
    rgb, flow, label = clips[1]
    assert len(clips) == 2 and label == 100 and rgb.dtype == flow.dtype == np.uint8
    assert rgb.shape == (24, 3, *SIZE) and flow.shape == (23, 3, *SIZE)
    np.testing.assert_array_equal(rgb[:, 0, 0, 0], np.arange(24))          # in the order of the numbers
    np.testing.assert_array_equal(flow[:, 0, 0, 0], np.arange(101, 124))   # flow t leads to frame t + 1, whose number it bears
    assert [path.name for path in clips.pictures(1, "Flow")][:1] == ["flow_image_v_YoYo_g02_c03.0002.jpg"]
    assert read_clips(VIDEOS, folders[0])[0][1] is None


def test_windows_and_where_they_start(folders):
    clips = read_clips(VIDEOS, *folders)
    np.testing.assert_array_equal(clips.starts(0), [0, 4, 4])              # 20 frames
    np.testing.assert_array_equal(clips.starts(0, "Flow"), [0, 3, 3])      # 19 flow pictures
    np.testing.assert_array_equal(clips.window(1, 8)[:, 0, 0, 0], np.arange(8, 24))
    np.testing.assert_array_equal(clips.window(1, 3, "Flow", length=5)[:, 0, 0, 0], np.arange(104, 109))
    refuses(lambda: clips.window(1, 9), "a window of 16 from picture 9 on is not inside v_YoYo_g02_c03, which has 24 in RGB; "
            "choose 0 to 8", IndexError)
    refuses(lambda: clips.window(1, -1), "from picture -1 on is not inside", IndexError)
    refuses(lambda: clips.window(0, 0, "depth"), "stream='depth'; there is RGB, Flow")


def test_nothing_is_read_before_it_is_asked_for(folders):
    clips = read_clips(VIDEOS, *folders)
    for path in folders[0].rglob("*.0009.jpg"):
        path.write_bytes(b"no picture")
    assert clips.window(0, 0, length=8).shape[0] == 8 and len(clips.pictures(0)) == 20
    refuses(lambda: clips.window(0, 0, length=9), "v_Surfing_g01_c01.0009.jpg is not a whole, readable picture")


@pytest.mark.parametrize("name, first", [("{}.{:04}.jpg", 1), ("image_{1:05}.jpg", 1), ("{1}.png", 0), ("frame{1:06}.jpeg", 1)])
def test_names_that_people_give_to_frames(tmp_path, name, first):
    """Without leading zeros, 10.png comes before 2.png by its letters."""
    write_pictures(tmp_path / "v_A_g01_c01", shades(12), name, first)
    (tmp_path / "v_A_g01_c01" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "v_A_g01_c01" / ".hidden.jpg").write_bytes(b"x")
    assert list(numbered_pictures(tmp_path / "v_A_g01_c01")) == list(range(first, first + 12))


def test_folders_of_classes_between(tmp_path):
    for video in VIDEOS:
        write_pictures(tmp_path / video.class_name / video.name, shades(16))
    assert read_clips(VIDEOS, tmp_path)[1][0].shape == (16, 3, *SIZE)


def test_pictures_of_a_wanted_size(folders):
    assert read_clips(VIDEOS, *folders, image_size=4).window(0, 0).shape == (16, 3, 4, 4)


def test_flow_survives_the_files(tmp_path):
    """u and v come back to within 1/32 pixel from PNG."""
    u, v = np.random.default_rng(0).uniform(-6, 6, (2, 16, *SIZE))
    write_pictures(tmp_path / "frames" / VIDEOS[0].name, shades(17))
    write_flow(tmp_path / "flow" / VIDEOS[0].name, flow_pictures(u, v), "png")
    found = flow_of(read_clips(VIDEOS[:1], tmp_path / "frames", tmp_path / "flow").window(0, 0, "Flow"))
    np.testing.assert_allclose(found, (u, v), rtol=0, atol=1 / 32 + 1e-6)


def remove(folders, pattern):
    for folder in folders:
        for path in folder.rglob(pattern):
            path.unlink()


def test_a_gap_between_numbers(folders):
    remove(folders[:1], "v_Surfing*.0007.jpg")
    remove(folders[:1], "v_Surfing*.0008.jpg")
    refuses(lambda: read_clips(VIDEOS, *folders)[0], r"frames/v_Surfing_g01_c01: v_Surfing_g01_c01.0009.jpg follows "
            r"v_Surfing_g01_c01.0006.jpg, so that 2 of the numbers are missing; expected a picture for each")


def test_frames_that_begin_later(folders):
    remove(folders, "*v_Surfing*.000[12].jpg")
    refuses(lambda: read_clips(VIDEOS, *folders)[0], "v_Surfing_g01_c01.0003.jpg is the first frame of its video; expected number "
            "0 or 1, frames are missing")


def test_a_flow_picture_without_its_frame(folders):
    remove(folders[:1], "v_Surfing*.0020.jpg")
    refuses(lambda: read_clips(VIDEOS, *folders)[0], "flow_image_v_Surfing_g01_c01.0020.jpg has no frame 20 in .*expected flow "
            "pictures named after the later of two frames, n - 1 of n")


def test_a_flow_picture_of_the_first_frame(folders):
    """As who counts pictures 1 to n - 1 names them: then flow and frames are off by one."""
    write_pictures(folders[1] / VIDEOS[0].name, shades(1), "flow_image_{}.{:04}.jpg")
    refuses(lambda: read_clips(VIDEOS, *folders)[0], r"\.0001\.jpg has no frame 0 before it in .*frames/v_Surfing")


def test_a_frame_without_flow(folders):
    remove(folders[1:], "*Surfing*.0020.jpg")
    refuses(lambda: read_clips(VIDEOS, *folders)[0], "has no flow picture for frame 20 .20 frames, 18 flow pictures.; expec")


def test_a_clip_shorter_than_one_window(tmp_path):
    write_pictures(tmp_path / VIDEOS[0].name, shades(15))
    for read in (lambda clips: clips.starts(0), lambda clips: clips.window(0, 0)):
        refuses(lambda: read(read_clips(VIDEOS, tmp_path)), "testlist01.txt line 1: v_Surfing_g01_c01 has 15 pictures in .*; "
                "expected at least one window of 16")


@pytest.mark.parametrize("name, message", [("frame.jpg", "frame.jpg: expected the number of a frame in the name"),
                                           ("other.0003.jpg", "have the same number; expected one picture a frame")])
def test_pictures_that_do_not_belong_there(folders, name, message):
    write_pictures(folders[0] / VIDEOS[0].name, shades(1), name)
    refuses(lambda: read_clips(VIDEOS, *folders)[0], message)


def test_what_is_missing_is_named(folders, tmp_path):
    other = VIDEOS[0].__class__("v_Absent_g01_c01", "Absent", 0, 1, "trainlist01.txt line 7")
    refuses(lambda: read_clips([other], *folders)[0], "trainlist01.txt line 7: .*frames has no folder v_Absent_g01_c01, nor "
            "Absent/v_Absent_g01_c01; expected the pictures of this video", FileNotFoundError)
    refuses(lambda: read_clips(VIDEOS, tmp_path / "no"), "no does not exist; expected a folder for each video", FileNotFoundError)
    (folders[0] / other.name).mkdir()
    refuses(lambda: read_clips([other], folders[0])[0], "v_Absent_g01_c01 has no picture; expected v_Absent_g01_c01.0001.jpg")


def test_arguments_that_are_none(folders):
    clips = read_clips(VIDEOS, *folders)
    refuses(lambda: clips.window(0, 0, length=0), "length=0 must be a positive integer")
    refuses(lambda: clips.window(0, 1.5), "start=1.5 must be an integer", TypeError)
    refuses(lambda: read_clips(["v_YoYo_g02_c03"], *folders), "'v_YoYo_g02_c03' is no LabelledVideo; give what read_", TypeError)
    refuses(lambda: read_clips(VIDEOS, folders[0], folders[0])[0], "0001.jpg has no frame 0 before it")   # frames given as flow
    refuses(lambda: read_clips(VIDEOS, folders[0] / VIDEOS[0].name)[0], "has no folder v_Surfing_g01_c01, nor", FileNotFoundError)


def test_dots_in_the_path(tmp_path):
    """LRCN's release takes a name up to its first dot."""
    folder = tmp_path / "ucf.101" / "v1.0"
    write_pictures(folder / VIDEOS[0].name, shades(16))
    assert len(read_clips(VIDEOS[:1], folder).pictures(0)) == 16


def test_pictures_of_two_sizes(folders):
    path = folders[0] / VIDEOS[0].name
    (path / "v_Surfing_g01_c01.0003.jpg").unlink()
    write_pictures(path, shades(1)[..., :5], first=3)
    refuses(lambda: read_clips(VIDEOS, folders[0])[0], "0003.jpg has 5 x 6 pixels and v_Surfing_g01_c01.0001.jpg 8 x 6; expected "
            "one size in a video, or image_size=S")
