"""Features of regions in .npy, .mat (SciPy writes them) and HDF5 (h5py, where it is installed)."""

import sys

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import read_region_features

from .damage import damaged, refused_by_name, refuses

FEATS = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)   # (N, D)


def npy(path, array=FEATS):
    np.save(path, array, allow_pickle=array.dtype == object)
    return path


def mat(path, array=FEATS, compressed=False, **more):
    scipy.io.savemat(path, {**more, "feats": array.T}, do_compression=compressed)   # (D, N)
    return path


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int16, ">f4"])
def test_npy(tmp_path, dtype):
    found = read_region_features(npy(tmp_path / "a.npy", FEATS.astype(dtype)), regions=5, features=3)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, FEATS.astype(dtype).astype(np.float32))


def test_a_fortran_array(tmp_path):
    np.testing.assert_array_equal(read_region_features(npy(tmp_path / "a.npy", np.asfortranarray(FEATS))), FEATS)


@pytest.mark.parametrize("compressed", [False, True])
def test_mat_is_transposed(tmp_path, compressed):
    found = read_region_features(mat(tmp_path / "vgg_feats.mat", compressed=compressed, other=np.eye(2)), regions=5)
    np.testing.assert_array_equal(found, FEATS)
    np.testing.assert_array_equal(read_region_features(tmp_path / "vgg_feats.mat", key="other"), np.eye(2))
    refuses(lambda: read_region_features(tmp_path / "vgg_feats.mat", key="X"), "has no variable 'X', it has 'other', 'feats'")


def test_the_first_bytes_decide_and_not_the_name(tmp_path):
    npy(tmp_path / "a.npy").rename(tmp_path / "a.mat")
    np.testing.assert_array_equal(read_region_features(tmp_path / "a.mat"), FEATS)


@pytest.mark.parametrize("array, message", [
    (np.zeros((2, 3, 4)), r"holds an array \(2, 3, 4\) of float64; expected two axes, regions and features"),
    (np.zeros(4), r"expected two axes"), (np.full((2, 2), "a"), "of real numbers"), (np.zeros((2, 2), complex), "of real numbers"),
    (np.array([[1, "a"]], object), "expected a whole .npy file"), (np.zeros((3, 0)), "no feature in its 3 rows|expected a whole"),
    (np.where(np.arange(15).reshape(5, 3) == 7, np.nan, FEATS), "row 2: a number that is not finite"),
    (np.full((2, 2), 1e300), "row 0: a number that is not finite in float32")])
def test_arrays_that_are_no_features(tmp_path, array, message):
    refuses(lambda: read_region_features(npy(tmp_path / "a.npy", array)), rf"read_region_features: .*a\.npy.*{message}")


@pytest.mark.parametrize("write, name", [(npy, "a.npy"), (mat, "a.mat")])
def test_counts_that_differ_from_the_boxes(tmp_path, write, name):
    file = write(tmp_path / name)
    refuses(lambda: read_region_features(file, regions=6), rf"{name} has 5 rows; expected 6, one for each box")
    refuses(lambda: read_region_features(file, features=4), rf"{name} has 3 features a row; expected 4")
    refuses(lambda: read_region_features(file, regions=3, features=5), "expected 5; its axes may be exchanged")
    refuses(lambda: read_region_features(file, regions=-1), "regions")


def test_other_files(tmp_path):
    file = tmp_path / "a.npy"
    refuses(lambda: read_region_features(file), "does not exist; give a .npy file, a .mat file, or an HDF5 file", FileNotFoundError)
    refuses(lambda: read_region_features(tmp_path), "is a folder")
    for content, message in ((b"", "is empty; give"), (b"1,2\n3,4\n", "begins with b'1,2"), (b"PK\x03\x04", "begins with"),
                             (npy(tmp_path / "b.npy").read_bytes()[:-1], "expected a whole .npy file of an array")):
        file.write_bytes(content)
        refuses(lambda: read_region_features(file), rf"read_region_features: .*a\.npy.*{message}")


def test_a_head_that_promises_too_much(tmp_path):
    head = npy(tmp_path / "a.npy").read_bytes()[:128].replace(b"(5, 3), }", b"(500000000, 3), }")
    (tmp_path / "a.npy").write_bytes(head)
    refuses(lambda: read_region_features(tmp_path / "a.npy"), r"a\.npy: .*expected a whole")


@pytest.mark.parametrize("head", [b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file, Platform: GLNXA64"])
def test_hdf5_without_h5py(tmp_path, head, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)   # an import of it fails
    (tmp_path / "a.h5").write_bytes(head.ljust(600))
    refuses(lambda: read_region_features(tmp_path / "a.h5"), r"h5py is not installed, so .*a\.h5.* pip install 'tinymm\[hdf5\]'",
            RuntimeError)


@pytest.mark.oracle
def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    file = tmp_path / "a.h5"
    with h5py.File(file, "w") as out:
        out["feats"], out["wide"], out["words"], out.create_group("group")["x"] = FEATS, FEATS[None], "text", FEATS
        out.create_dataset("packed", data=FEATS.astype(np.float64), compression="gzip")
        out.create_dataset("huge", shape=(2 ** 30, 2), dtype="f4")   # nothing of it is written
    for key in ("feats", "packed", "group/x"):
        np.testing.assert_array_equal(read_region_features(file, key=key, regions=5, features=3), FEATS)
    for key, message in (("none", r"it has no dataset 'none', but 'feats', 'group', .*; give key=NAME"),
                         ("group", "no dataset 'group'"), ("wide", "expected two axes"), ("words", "expected two axes"),
                         ("huge", "of more than 1,073,741,824 bytes")):
        refuses(lambda key=key: read_region_features(file, key=key), rf"read_region_features: .*a\.h5.*{message}")
    whole = file.read_bytes()
    for length in (8, 50, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        refuses(lambda: read_region_features(file), r"read_region_features: .*a\.h5")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("features")
    data.draw(st.sampled_from([npy, mat]))(folder / "whole")
    file = next(folder.iterdir())
    content = data.draw(damaged(file.read_bytes()))
    (folder / "a.bin").write_bytes(content)
    refused_by_name(lambda: read_region_features(folder / "a.bin"), str(folder / "a.bin"))
