"""StackGAN's pickles: what is converted, as Python's own pickle reads it, and what is refused."""

import builtins
import os
import pathlib
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import convert_stackgan, read_cub, read_oxford102, read_stackgan, read_text_embeddings
from tinymm.data.readers.stackgan_pickles import CLASSES, EMBEDDINGS, IMAGES, NAMES, unpickled

from .bird_folders import write_cub, write_oxford
from .damage import damaged, refused_by_name, refuses
from .python2_pickles import python2

RNG = np.random.default_rng(0)
PART = {NAMES: [f"00{n}.Owl/Owl_{n:04}_{n}" for n in (1, 2, 2)], CLASSES: [1, 2, 2],
        EMBEDDINGS: list(RNG.standard_normal((3, 10, 5)).astype(np.float32)),
        IMAGES: list(RNG.integers(0, 256, (3, 6, 6, 3), dtype=np.uint8))}


def write(folder, dumps=python2, **changed):
    for name, value in {**PART, **changed}.items():
        (folder / name).write_bytes(dumps(value))
    return folder


@pytest.mark.parametrize("dumps", [lambda v: python2(v, 0), lambda v: python2(v, 1), lambda v: python2(v, 2),
                                   lambda v: pickle.dumps(v, 3),
                                   lambda v: pickle.dumps(v, 4)])
def test_what_is_converted(tmp_path, dumps):
    write(tmp_path, dumps)
    for name, value in PART.items():   # Python's own pickle is the judge of what the files hold
        np.testing.assert_array_equal(pickle.loads((tmp_path / name).read_bytes(), encoding="latin1"), value)
    assert convert_stackgan(tmp_path) == tmp_path / "stackgan.npz"
    assert sorted(os.listdir(tmp_path)) == sorted([*PART, "stackgan.npz"])   # no temporary file
    part = read_stackgan(tmp_path / "stackgan.npz")
    assert part.names == tuple(PART[NAMES]) and part.classes.tolist() == [1, 2, 2] and part.classes.dtype == np.int64
    np.testing.assert_array_equal(part.embeddings, PART[EMBEDDINGS])
    np.testing.assert_array_equal(part.images, np.transpose(PART[IMAGES], (0, 3, 1, 2)))


def test_other_forms_of_arrays(tmp_path):
    """One array for all, big-endian, in Fortran's order, of doubles; numbers of NumPy's; no pictures."""
    write(tmp_path, **{EMBEDDINGS: np.asfortranarray(np.stack(PART[EMBEDDINGS]).astype(">f8")),
                       CLASSES: [np.int64(7), np.int64(8), np.int64(9)]})
    (tmp_path / IMAGES).unlink()
    part = read_stackgan(convert_stackgan(tmp_path, tmp_path / "out.npz"))
    np.testing.assert_array_equal(part.embeddings, np.stack(PART[EMBEDDINGS]))
    assert part.embeddings.dtype == np.float32 and part.classes.tolist() == [7, 8, 9] and part.images is None
    write(tmp_path, **{CLASSES: np.array([3, 1, 2], np.uint8)})
    assert read_stackgan(convert_stackgan(tmp_path)).classes.tolist() == [3, 1, 2]


def test_lines_that_end_in_windows_way(tmp_path):
    """As Git for Windows leaves the oldest protocol, which Python's own pickle does not read: 'numpy.core.multiarray\\r'."""
    write(tmp_path, lambda value: python2(value, 0).replace(b"\n", b"\r\n"), **{CLASSES: list(map(np.int64, PART[CLASSES]))})
    with pytest.raises(ModuleNotFoundError):
        pickle.loads((tmp_path / CLASSES).read_bytes())
    part = read_stackgan(convert_stackgan(tmp_path))
    assert part.names == tuple(PART[NAMES]) and part.classes.tolist() == PART[CLASSES]
    np.testing.assert_array_equal(part.embeddings, PART[EMBEDDINGS])


class Calls:
    """What a pickle of it does when it is read."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def opcodes(module: str, name: str, argument: bytes = b"U\x01x\x85") -> bytes:
    """module.name(argument) as a pickle."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + argument + b"R."


ARMED = {"os.system": ("posix", "system"), "nt": ("nt", "system"), "eval": ("builtins", "eval"),
         "python 2's eval": ("__builtin__", "eval"),
         "getattr": ("builtins", "getattr"), "subprocess": ("subprocess", "Popen"), "exec": ("builtins", "exec"),
         "testing": ("numpy.testing._private.utils", "runstring"), "load": ("numpy", "load"), "fromfile": ("numpy", "fromfile"),
         "memmap": ("numpy", "memmap"), "f2py": ("numpy.f2py", "compile"),
         "exec_command": ("numpy.distutils.exec_command", "exec_command"),
         "numpy.os": ("numpy.core.multiarray", "os"), "numpy's eval": ("numpy.core.multiarray", "eval"),
         "frompyfunc": ("numpy", "frompyfunc"),
         "dots": ("numpy", "dtype.__init__"), "ndarray.tofile": ("numpy", "ndarray.tofile"), "codecs": ("_codecs", "encode"),
         "copyreg": ("copyreg", "_reconstructor"), "ufunc": ("numpy.core", "_ufunc_reconstruct"), "pickle": ("_pickle", "loads"),
         "numpy.load's pickle": ("numpy.core._methods", "pickle"), "import": ("importlib", "import_module")}


@pytest.mark.parametrize("name", ARMED)
def test_every_global_but_numpys_arrays_is_refused(tmp_path, name):
    module, function = ARMED[name]
    bad = opcodes(module, function)
    stacked = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module,
                                                                                               function)) + b"\x93U\x01x\x85R."
    called = b"\x80\x02(U\x01xi" + f"{module}\n{function}\n".encode() + b"."   # INST
    for content in (bad, stacked, called):
        for file in (NAMES, EMBEDDINGS):
            write(tmp_path)
            (tmp_path / file).write_bytes(content)
            refuses(lambda: convert_stackgan(tmp_path),
                    rf"convert_stackgan: .*{file} byte \d+: it asks for {module}\.{function}, which is refused")
    assert not (tmp_path / "stackgan.npz").exists()


def test_nothing_is_run(tmp_path, monkeypatch):
    """Pickles that Python's own unpickler does run, in all the ways of hiding them."""
    witness = tmp_path / "witness"
    touch = Calls(os.system, f"touch {witness}")
    hidden = np.empty(2, object)
    hidden[:] = [touch, 1]
    (tmp_path / "part").mkdir()
    for value in (touch, [touch], {"a": touch}, hidden, [hidden, 1], Calls(builtins.eval, f"open({str(witness)!r}, 'w')"),
                  [1, (2, [touch])],
                  Calls(pathlib.Path.touch, witness), Calls(np.frompyfunc, touch, 1, 1)):
        for protocol in (0, 2, 4, 5):
            content = pickle.dumps(value, protocol)
            for file in (NAMES, EMBEDDINGS):
                write(tmp_path / "part")
                (tmp_path / "part" / file).write_bytes(content)
                refuses(lambda: convert_stackgan(tmp_path / "part"),
                        r"byte \d+: (it asks for .*, which is refused|an array of dtype 'O8')")
    assert not witness.exists()
    pickle.loads(pickle.dumps(touch))
    assert witness.exists()   # the test could have failed


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\x01btR"     # an empty array on the stack
TYPE = b"cnumpy\ndtype\n(U\x02%sK\0K\1tR(K\3U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"


def of_type(code: bytes, data: bytes = b"U\x04abcd", shape: bytes = b"K\1\x85") -> bytes:
    return b"\x80\x02" + ARRAY + b"(K\1" + shape + TYPE % code + b"\x89" + data + b"tb."


@pytest.mark.parametrize("content, message", [
    (of_type(b"O8", b"]q\x01U\x01xa"),
     "byte .*: an array of dtype 'O8'; integers, floats and booleans are read, objects are refused"),
    (of_type(b"|O", b"]"), r"an array of dtype '\|O'"), (of_type(b"V4"), "of dtype 'V4'"), (of_type(b"S4"), "of dtype 'S4'"),
    (of_type(b"M8"), "of dtype 'M8'"), (of_type(b"f4", b"U\x03abc"), r"an array 1 of float32 in 3 bytes; expected 4 bytes"),
    (of_type(b"f4", b"]"), "in a value of type list"), (of_type(b"f4", shape=b"J\xff\xff\xff\xff\x85"),
                                                        "without a shape of integers"),
    (of_type(b"f4", shape=b"K\1K\1\x86U\x01x\x86"), "without a shape of integers"),
    (of_type(b"f4", shape=b"\x8a\x08" + struct.pack("<q", 2 ** 62) + b"\x85"), "expected 18,446,744,073,709,551,616 bytes"),
    (b"\x80\x02cnumpy\nndarray\nK\1\x85R.", "it makes an array by calling ndarray, which is refused"),
    (b"\x80\x02cnumpy\nndarray\n)\x81.", "it is damaged"), (b"\x80\x02cnumpy\ndtype\n}U\x04nameU\x01xsb.", "changes numpy's dtype"),
    (b"\x80\x02cnumpy\ndtype\n(U\x02f4K\0K\1tR(K\3U\x01<(U\x01atNNtb.", "an array of records"),
    (b"\x80\x02\x82\x01.", "asks for the registered extension 1, which is refused"), (b"P1\n.", "persistent"),
    (b"\x80\x02U\x01xQ.", "persistent"),
    (b"\x80\x09.", "unsupported pickle protocol"), (b"", "the file ends here|it is not whole"), (b"garbage", "byte"),
    (b"\x80\x02\x8d" + struct.pack("<Q", 2 ** 60), "the file ends here"),
    (b"\x80\x04\x95" + struct.pack("<Q", 2 ** 60), "the file ends here"),
    (b"\x80\x02]r\xff\xff\xff\xff.", r"an array \(0,\) of float64"), (b"\x80\x02K\1.K\1.", "there is more after the end"),
    (b"\x80\x02" + b"(" * 10 ** 5 + b".", "byte"), (b"\x80\x02}.", "holds a value of type dict"),
    (b"\x80\x02](\x88\x88\x88e.", "a list of 3, the first of type bool"),
    (b"\x80\x02](K\1K\2\x8a\x09" + b"\x01" * 9 + b"e.", "an array")])
def test_what_is_refused(tmp_path, content, message):
    write(tmp_path)
    (tmp_path / CLASSES).write_bytes(content)
    refuses(lambda: convert_stackgan(tmp_path), rf"(?s)convert_stackgan: .*class_info\.pickle.*({message})")


@pytest.mark.parametrize("file, value, message", [
    (NAMES, [], "holds a list of 0; expected a list of names"), (NAMES, [1], "a list of 1, the first of type int"),
    (NAMES, "x", "a value of type bytes"), (CLASSES, [1, 2], "class_info.pickle has 2 rows, and filenames.pickle 3 names"),
    (CLASSES, [1.5, 2.0, 3.0], "a list of 3, the first of type float; expected an array, or"),
    (EMBEDDINGS, PART[EMBEDDINGS][:2], "has 2 rows, and"), (EMBEDDINGS, [np.zeros((10, 5)), np.zeros((9, 5)), np.zeros((10, 5))],
                                                           r"arrays of shapes \[\(9, 5\), \(10, 5\)\]; expected the same"),
    (EMBEDDINGS, [np.full((10, 5), np.nan)] * 3, "not finite"), (EMBEDDINGS, [np.full((10, 5), 1e300)] * 3, "not finite"),
    (EMBEDDINGS, [np.zeros((10, 5), int)] * 3, "of int64; expected 3 axes, of kind f"),
    (EMBEDDINGS, np.float64(1), "expected 3 axes"),
    (IMAGES, [np.zeros((6, 6), np.uint8)] * 3, "expected 4 axes"),
    (IMAGES, [np.zeros((6, 6, 4), np.uint8)] * 3, r"expected \(S, S, 3\), uint8"),
    (IMAGES, [np.zeros((6, 6, 3), np.uint16)] * 3, r"expected \(S, S, 3\), uint8")])
def test_values_that_do_not_belong_together(tmp_path, file, value, message):
    write(tmp_path, **{file: value})
    refuses(lambda: convert_stackgan(tmp_path), message)
    assert not (tmp_path / "stackgan.npz").exists()


def test_missing_files_and_places(tmp_path):
    refuses(lambda: convert_stackgan(tmp_path), "filenames.pickle does not exist", FileNotFoundError)
    write(tmp_path)
    refuses(lambda: convert_stackgan(tmp_path, tmp_path / "none" / "a.npz"), "there is no folder", OSError)
    (tmp_path / CLASSES).unlink()
    refuses(lambda: convert_stackgan(tmp_path), "class_info.pickle does not exist", FileNotFoundError)


def test_what_no_converter_wrote(tmp_path):
    convert_stackgan(write(tmp_path))
    file, whole = tmp_path / "stackgan.npz", dict(np.load(tmp_path / "stackgan.npz"))
    for change in ({"classes": whole["classes"][:2]}, {"embeddings": np.zeros(3, np.float32)}, {"names": np.array([1, 2, 3])},
                   {"names": np.array(["a", Calls(os.system, "true"), "b"], object)}, {"images": np.zeros((3, 3, 2, 2))}):
        np.savez(file, **{**whole, **change})
        refuses(lambda: read_stackgan(file), r"read_stackgan: .*stackgan\.npz: .*; expected a file \.npz that convert_stackgan")
    file.write_bytes(python2(PART[NAMES]))
    refuses(lambda: read_stackgan(file), r"stackgan\.npz: .*; expected a file \.npz")
    refuses(lambda: read_stackgan(tmp_path / "a.npz"), "a.npz does not exist", FileNotFoundError)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_damage_is_refused_by_name(tmp_path_factory, protocol, data):
    path, value = tmp_path_factory.mktemp("pickle") / "a.pickle", [PART[NAMES], PART[EMBEDDINGS][0][:2], 3, 2.5, None]
    path.write_bytes(data.draw(damaged(pickle.dumps(value, 4) if protocol == 4 else python2(value, protocol))))
    refused_by_name(lambda: unpickled(path), str(path))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_npz_is_refused_by_name(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("npz")
    file = convert_stackgan(write(folder))
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    refused_by_name(lambda: read_stackgan(file), str(file))


@pytest.mark.parametrize("make, read", [(write_cub, read_cub), (write_oxford, read_oxford102)])
def test_embeddings_of_a_dataset(tmp_path, make, read):
    """Each picture gets its own rows, whichever part they are in and in whatever order."""
    root = make(tmp_path / "data")
    data = read(root)
    phi = RNG.standard_normal((len(data), 10, 4)).astype(np.float32)
    names = [str(pathlib.Path(r.path.parent.name) / r.path.stem) for r in data.records]
    order = RNG.permutation(len(data))
    for part, rows in (("train", order[:11]), ("test", order[11:])):
        (root / "birds" / part).mkdir(parents=True)
        write(root / "birds" / part, **{NAMES: [names[i] for i in rows], CLASSES: [data.records[i].label + 1 for i in rows],
                                        EMBEDDINGS: list(phi[rows])})
        (root / "birds" / part / IMAGES).unlink()
    refuses(lambda: read_text_embeddings(root, data),
            r"is a pickle, which is not read; convert each part first: tinymm\.data\.convert_stackgan\('",
            FileNotFoundError)
    convert_stackgan(root / "birds" / "train")
    refuses(lambda: read_text_embeddings(root, data), "7 of 18 pictures are not in")
    convert_stackgan(root / "birds" / "test")
    np.testing.assert_array_equal(read_text_embeddings(root, data), phi)
    np.testing.assert_array_equal(read_text_embeddings(root, data.split("test")), phi[[r.split == "test" for r in data.records]])
