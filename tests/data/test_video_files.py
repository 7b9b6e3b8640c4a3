"""Video files: through PyAV where it is installed, and what is said where it is not."""

import sys

import numpy as np
import pytest

from tinymm.data import read_video

from .damage import refuses


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)   # import raises ImportError
    (tmp_path / "v_YoYo_g01_c01.avi").write_bytes(b"RIFF")
    refuses(lambda: read_video(tmp_path / "v_YoYo_g01_c01.avi"), r"read_video: PyAV is not installed, so .*v_YoYo_g01_c01\.avi "
            r"cannot be read; pip install 'tinymm\[video\]', or write its frames with ffmpeg .* and use read_clips", RuntimeError)
    refuses(lambda: read_video(tmp_path / "no.avi"), "no.avi does not exist; give a video file", FileNotFoundError)
    refuses(lambda: read_video(tmp_path), "is a folder; give a video file")
    refuses(lambda: read_video(tmp_path / "v_YoYo_g01_c01.avi", start=-1), "start=-1 must be an integer not less than 0")


@pytest.mark.oracle
def test_an_avi_as_ucf101_has_them(tmp_path):
    """MPEG-4 in AVI, 320 x 240; each frame of one grey value, which compression keeps to a few levels."""
    av = pytest.importorskip("av")
    file = tmp_path / "v_YoYo_g01_c01.avi"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for t in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 10 * t + 20, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    frames = read_video(file)
    assert frames.shape == (20, 3, 240, 320) and frames.dtype == np.uint8
    np.testing.assert_allclose(frames.mean((1, 2, 3)), 10 * np.arange(20) + 20, atol=6)
    np.testing.assert_array_equal(read_video(file, start=4, count=16), frames[4:])
    assert read_video(file, image_size=24, count=2).shape == (2, 3, 24, 24)
    refuses(lambda: read_video(file, start=10, count=16), "has 20 frames; expected 16 from frame 10 on")
    (tmp_path / "cut.avi").write_bytes(file.read_bytes()[:200])
    (tmp_path / "text.avi").write_text("no video")
    for name in ("cut.avi", "text.avi"):
        refuses(lambda: read_video(tmp_path / name), rf"{name} (is not a whole, readable video|has no video|has 0 frames)")
