"""Every command with inputs that are wrong: one line that says so, exit code 2, and never a traceback.

The parser of every command is walked: an argument that no table here knows fails the test, so that a new one gets its inputs.
"""

import argparse
import contextlib
import importlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.experiments.drawing_run import drawing_run
from tests.weights.clip_layout import hugging_face_config, hugging_face_state
from tinymm.backend.settings import wrong_settings
from tinymm.cli import COMMANDS, INTERRUPTED, UNREAD, main
from tinymm.commands import terminal
from tinymm.experiments import find
from tinymm.text import CLIPTokenizer, Vocabulary
from tinymm.train.checkpoint import save_checkpoint

BOXES = {   # the picture has 24 x 20 pixels
    "boxes": "[[0, 0, 24, 20], [1.5, 2, 3, 4]]", "no_list": "{}", "no_boxes": "[]", "cut": "[[0, 0, 5", "number": "3",
    "three": "[[0, 0, 9, 9], [0, 0, 5]]", "text": '[[0, 0, "5", 5]]', "nan": "[[0, 0, NaN, 5]]", "inf": "[[0, 0, Infinity, 5]]",
    "outside": "[[0, 0, 25, 20]]", "sideways": "[[0, 0, 20, 24]]", "negative": "[[-1, 0, 5, 5]]", "flat": "[[5, 5, 5, 9]]",
    "turned": "[[9, 9, 5, 5]]", "deep": "[" * 100_000, "huge": f"[[0, 0, 1{'0' * 400}, 5]]", "many": str([[0, 0, 1, 1]] * 101)}
CHECKPOINT = pathlib.Path("checkpoints/captioner/checkpoint-00000001")
posix = pytest.mark.skipif(os.name != "posix", reason="pipes, modes and signals of POSIX")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Untrained runs: a captioner, one that describes boxes, one that draws; a tiny CLIP, a picture, and what is none of these."""
    folder = tmp_path_factory.mktemp("doors")
    vocabulary = Vocabulary(["a", "one", "two"])
    config = {"lecture": 4, "variant": "soft", "vocabulary": vocabulary.state_dict(), "channels": 1, "picture_size": [16, 16],
              "world": "scenes of digits"}
    described = {**config, "lecture": 3, "variant": "generator", "channels": 3, "world": None}
    for run, settings in (("run", config), ("regions", described)):
        captioner = find(settings["lecture"]).restore(settings, len(vocabulary))
        save_checkpoint(folder / run / "checkpoints" / "captioner", 1, captioner.state_dict(), {}, {"config": settings})
    drawing_run(folder / "drawn")
    tokenizer = CLIPTokenizer.train(["a photo of a dog."] * 3, 530, context_length=16)
    options = dict(embed_dim=8, image_resolution=16, vision_layers=1, vision_width=64, vision_patch_size=8, context_length=16,
                   vocab_size=tokenizer.vocab_size, transformer_width=64, transformer_heads=1, transformer_layers=1, vision_heads=1,
                   hidden_act="quick_gelu")
    tokenizer.save_pretrained(folder / "clip")
    save_file(hugging_face_state(options), folder / "clip" / "model.safetensors")
    (folder / "clip" / "config.json").write_text(json.dumps(hugging_face_config(options)))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 24), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "p.png")
    (folder / "cut.png").write_bytes((folder / "p.png").read_bytes()[:200])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("<svg/>")
    (folder / "latin.txt").write_bytes(b"caf\xe9\n")
    (folder / "empty.txt").touch()
    for name, content in BOXES.items():
        (folder / f"{name}.json").write_text(content)
    (folder / "empty").mkdir()
    (folder / "class").mkdir()
    (folder / "class" / "anna.py").touch()
    Image.new("1", (30_000, 30_000)).save(folder / "bomb.png")   # a few kilobytes
    Image.fromarray(rng.integers(0, 256, (20_000, 1), dtype=np.uint8)).save(folder / "tall.png")
    with contextlib.suppress(OSError, AttributeError):
        os.mkfifo(folder / "pipe.png")
        os.symlink("nothing", folder / "dangling.png")
    return folder


def called(argv, capsys):
    """Exit code and standard error of a command in this process."""
    capsys.readouterr()
    try:
        code = main(argv)
    except SystemExit as stop:
        code = stop.code
    return code, capsys.readouterr().err


def assert_refused(argv, capsys):
    code, err = called(argv, capsys)
    assert code == 2 and "Traceback" not in err and "fault of tinymm" not in err, (argv, code, err)
    assert len(err.splitlines()) == 1 and len(err) > 20, (argv, err)
    return err


# ---------------------------------------------------------------------- the table

BASE = {   # a call that is right, quick, and is made wrong in one argument at a time
    "lecture": ["lecture", "0", "--scale", "smoke", "--out", "new"], "claims": ["claims", "0", "--scale", "smoke"],
    "caption": ["caption", "p.png", "--model", "regions", "--boxes", "boxes.json"],
    "generate": ["generate", "drawn", "a red star"],
    "zero-shot": ["zero-shot", "p.png", "--labels", "a", "b", "--model", "clip"],
    "exercise": ["exercise", "04"], "check": ["check", "04", "p.png"], "grade": ["grade", "04", "class"],
    "gradcheck": ["gradcheck", "--op", "abs"], "bench": ["bench", "chain", "--alone"],
    "doctor": ["doctor"], "warmup": ["warmup"]}
NUMBERS = ["x", "", "1.5", "1e3"]
FILES = ["", "-", "empty", "nowhere/x.png", "p.png/x.png", "/dev/null", "pipe.png", "x" * 300 + ".png", "zero\0.png"]
FOLDERS = ["", "p.png", "p.png/x", "/dev/null", "zero\0"]
PICTURES = ["", "nowhere.png", "no\nwhere.png", "empty", "cut.png", "empty.png", "text.png", "bomb.png", "pipe.png", "dangling.png",
            "http://example.org/a.png", "/dev/null", "zero\0.png", "x" * 300 + ".png", "bad\udcff.png"]
WRONG = {   # (command, argument) -> values that are refused; () where there is nothing that is wrong
    ("lecture", "number"): [*NUMBERS, "99", "-1"], ("lecture", "variant"): ["x"], ("lecture", "scale"): ["x", ""],
    ("lecture", "epochs"): [*NUMBERS, "0", "-1"], ("lecture", "seed"): NUMBERS, ("lecture", "device"): ["", "gpu"],
    ("lecture", "data"): ["", "x", "coco"], ("lecture", "root"): ["empty", "nowhere"], ("lecture", "out"): FOLDERS,
    ("lecture", "resume"): [],
    ("claims", "number"): [*NUMBERS, "99"], ("claims", "variants"): ["x"], ("claims", "seeds"): NUMBERS,
    ("claims", "scale"): ["x"], ("claims", "json"): FILES,
    ("caption", "image"): PICTURES, ("caption", "model"): ["", "nowhere", "p.png", "empty", "/dev/null", "zero\0", "no\nwhere"],
    ("caption", "beam"): [*NUMBERS, "0", "-1", "100000000"], ("caption", "n_best"): [*NUMBERS, "0"], ("caption", "invert"): ["x"],
    ("caption", "boxes"): ["", "nowhere.json", "empty", "p.png", "empty.txt", "latin.txt", "/dev/null", "pipe.png", "zero\0",
                           "x" * 300, *(f"{name}.json" for name in BOXES if name != "boxes")],
    ("caption", "out"): [*FILES, "picture", "picture.xyz", "/dev/full.d/x.png"],
    ("generate", "run"): ["", "nowhere", "p.png", "empty", "run", "/dev/null", "zero\0", "no\nwhere"],
    ("generate", "texts"): ["", " ", "a" * 1000, "\u6771", "\0", "bad\udcff" * 20], ("generate", "to"): ["", "a" * 1000],
    ("generate", "count"): [*NUMBERS, "0", "-1", "1000"], ("generate", "seed"): [*NUMBERS, "-1"],
    ("generate", "candidates"): [*NUMBERS, "0", "-1", "7", "8", "1000"],   # none of which a run of lecture 7 can do
    ("generate", "out"): [*FILES, "picture", "picture.xyz"],
    ("zero-shot", "images"): PICTURES, ("zero-shot", "labels"): ["", " "],
    ("zero-shot", "labels_file"): ["nowhere", "empty", "latin.txt", "zero\0"],
    ("zero-shot", "model"): ["", "nowhere", "p.png", "empty", "run", "/dev/null", "zero\0"],
    ("zero-shot", "template"): ["", "photo"], ("zero-shot", "ensemble"): [], ("zero-shot", "top"): [*NUMBERS, "0"],
    ("zero-shot", "json"): FILES,
    ("exercise", "number"): ["", "x", "99", "-1"], ("exercise", "notebook"): [], ("exercise", "force"): [],
    ("exercise", "out"): [*FILES, "p.png", "x.txt"],
    ("check", "number"): ["", "x", "99"], ("check", "file"): ["", "nowhere.py", "empty"], ("check", "only"): [],
    ("check", "limit"): ["x"], ("check", "json"): FILES,
    ("grade", "number"): ["", "x", "99"], ("grade", "folder"): ["", "nowhere", "p.png", "empty", "/dev/null", "zero\0"],
    ("grade", "csv"): FILES, ("grade", "json"): FILES, ("grade", "feedback"): FOLDERS, ("grade", "resume"): [],
    ("grade", "jobs"): [*NUMBERS, "0", "-1"], **{("grade", name): ["x", "", "0", "-1", "nan", "inf"] for name in
                                                 ("limit", "total", "memory")},
    ("gradcheck", "all"): [], ("gradcheck", "op"): ["", "no_such_operation"], ("gradcheck", "seeds"): [*NUMBERS, "0", "-1"],
    ("gradcheck", "json"): FILES,
    ("bench", "works"): ["", "sorting"], ("bench", "rounds"): [*NUMBERS, "0", "-1"],
    ("bench", "seconds"): ["x", "", "0", "-1", "nan", "inf"], ("bench", "json"): FILES, ("bench", "alone"): [],
    ("bench", "memory"): [], ("bench", "first_step"): [], ("bench", "beam"): [], ("bench", "busy"): [*NUMBERS, "0", "-1"],
    ("warmup", "quiet"): []}


def arguments(command):
    """The arguments of a command, from its parser."""
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[command][0]).add_arguments(parser)
    return {action.dest: action for action in parser._actions if action.dest != "help"}


def made_wrong(command, action, value):
    """The right call with one value that is wrong."""
    argv = BASE[command]
    if action.option_strings:
        return [*argv, f"{action.option_strings[-1]}={value}"]
    positionals = [a.dest for a in arguments(command).values() if not a.option_strings]
    at = 1 + positionals.index(action.dest)
    return [*argv[:at], value, *argv[at + 1:]]


def test_every_argument_of_every_command_is_in_the_table():
    assert {(command, name) for command in COMMANDS for name in arguments(command)} == set(WRONG)
    assert set(BASE) == set(COMMANDS)


@posix
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_wrong_is_said_in_one_line(command, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    before = sorted(os.listdir())
    for name, action in arguments(command).items():
        for value in WRONG[command, name]:
            assert_refused(made_wrong(command, action, value), capsys)
    assert_refused([command, "--nonsense"], capsys)
    if command in ("lecture", "caption", "generate", "zero-shot", "check", "gradcheck"):   # which need arguments
        assert_refused([command], capsys)
    assert sorted(os.listdir()) == before   # nothing was made, nothing is left


def test_no_command_and_an_unknown_one(capsys):
    for argv in ([], [""], ["nonsense"], ["--nonsense"]):
        assert "--help tells more" in assert_refused(argv, capsys)


def test_protected_places(tmp_path, monkeypatch, capsys):
    locked, file = tmp_path / "locked", tmp_path / "a.json"
    locked.mkdir()
    file.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in (str(locked), str(file)))   # root may write everywhere
    for out in (locked / "a.json", file):
        assert "write-protected" in assert_refused(["gradcheck", "--op", "abs", "--json", str(out)], capsys)
    assert "write-protected" in assert_refused(["lecture", "0", "--scale", "smoke", "--out", str(locked / "a")], capsys)


# ---------------------------------------------------------------------- a run's folder, and a CLIP's

VOCABULARY = Vocabulary(["a", "one", "two"]).state_dict()


@pytest.mark.parametrize("change", [
    dict(lecture=8), dict(lecture="4"), dict(lecture=None), dict(lecture=2), dict(lecture=True), dict(variant="x"),
    dict(variant=None), dict(variant=["soft"]), dict(vocabulary=None), dict(vocabulary={}),
    dict(vocabulary={"words": 3, "counts": None}),
    dict(vocabulary={**VOCABULARY, "words": VOCABULARY["words"][:-1]}), dict(vocabulary={**VOCABULARY, "counts": "x"}),
    dict(channels=2), dict(channels=3), dict(picture_size=None), dict(picture_size=[16]), dict(picture_size=[0, 16]),
    dict(picture_size=[10**9, 10**9]), dict(world=3)], ids=str)
def test_a_run_with_another_configuration(change, folder, tmp_path, capsys):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    state = json.loads((run / CHECKPOINT / "state.json").read_text())
    state["config"].update(change)
    (run / CHECKPOINT / "state.json").write_text(json.dumps(state))
    err = assert_refused(["caption", str(folder / "p.png"), "--model", str(run)], capsys)
    assert str(run) in err and "train it again" in err


@pytest.mark.parametrize("boxes, place", [("three", "box 1"), ("outside", "box 0"), ("flat", "box 0"), ("nan", "box 0"),
                                          ("cut", "line 1")])
def test_what_is_wrong_with_boxes_is_said_of_the_file_and_the_box(boxes, place, folder, capsys):
    file = str(folder / f"{boxes}.json")
    err = assert_refused(["caption", str(folder / "p.png"), "--model", str(folder / "regions"), "--boxes", file], capsys)
    assert file in err and place in err


def test_boxes_where_they_are_needed_and_where_not(folder, capsys):
    picture, boxes = str(folder / "p.png"), str(folder / "boxes.json")
    err = assert_refused(["caption", picture, "--model", str(folder / "regions")], capsys)
    assert "describes boxes" in err and "--boxes FILE" in err
    err = assert_refused(["caption", picture, "--model", str(folder / "run"), "--boxes", boxes], capsys)
    assert "takes no boxes" in err and "lecture 4" in err


def test_boxes_of_a_picture_are_described(folder, tmp_path, capsys):
    out = tmp_path / "b.png"
    argv = ["caption", str(folder / "p.png"), "--model", str(folder / "regions"), "--boxes", str(folder / "boxes.json")]
    assert main([*argv, "--out", str(out), "--n-best", "2", "--beam", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == ["0", "0", "1", "1"] and str(out) in lines[-1] and out.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b"3", b'{"config": []}', b'{"config": null}', b"[1,", b"\xff\xfe",
                                     b"[" * 100_000], ids=lambda content: repr(content[:15]))
def test_a_run_with_another_state(content, folder, tmp_path, capsys):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    (run / CHECKPOINT / "state.json").write_bytes(content)
    assert str(run) in assert_refused(["caption", str(folder / "p.png"), "--model", str(run)], capsys)


@pytest.mark.parametrize("where, weights", [("run", CHECKPOINT / "model.safetensors"), ("clip", pathlib.Path("model.safetensors"))])
def test_weights_that_are_none(where, weights, folder, tmp_path, capsys):
    def refused(made):
        copy = shutil.copytree(folder / where, tmp_path / "copy", dirs_exist_ok=True)
        made(copy / weights)
        argv = ["caption", str(folder / "p.png"), "--model", str(copy)] if where == "run" else \
            ["zero-shot", str(folder / "p.png"), "--labels", "a", "b", "--model", str(copy)]
        assert str(copy) in assert_refused(argv, capsys)

    arrays = load_file(folder / where / weights)
    first = next(key for key, a in arrays.items() if a.ndim > 1)
    for content in (b"", b"x", b"\xff" * 8 + b"{}"):
        refused(lambda path: path.write_bytes(content))
    for changed in ({**arrays, first: np.full_like(arrays[first], np.nan)}, {**arrays, first: np.zeros((2, 2), np.float32)},
                    {k: a for k, a in arrays.items() if k != first}, {**arrays, "more": np.zeros(1)}, {"foreign": np.zeros(1)}):
        refused(lambda path: save_file(changed, path))
    refused(lambda path: path.unlink())


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", "{", '{"vision_config": 3}', "[" * 100_000],
                         ids=lambda text: text[:20])
@pytest.mark.parametrize("file", ["config.json", "vocab.json"])
def test_a_clip_with_another_configuration(file, content, folder, tmp_path, capsys):
    copy = shutil.copytree(folder / "clip", tmp_path / "clip")
    (copy / file).write_text(content)
    assert_refused(["zero-shot", str(folder / "p.png"), "--labels", "a", "b", "--model", str(copy)], capsys)


def test_a_picture_before_a_wrong_one_is_not_lost(folder, tmp_path, capsys):
    out = tmp_path / "p.json"
    argv = ["zero-shot", str(folder / "p.png"), str(folder / "cut.png"), "--labels", "a", "b", "--model", str(folder / "clip")]
    assert "cut.png" in assert_refused([*argv, "--json", str(out)], capsys)
    assert set(json.loads(out.read_text())) == {str(folder / "p.png")}


@pytest.mark.parametrize("change", [{"claims": [3]}, {"claims": None}, {"metrics": None}, {"seconds": "x"}, {"claims": [{}]}],
                         ids=str)
def test_claims_of_a_damaged_report(change, tmp_path, monkeypatch, capsys):
    from tinymm.version import __version__

    monkeypatch.chdir(tmp_path)
    out = pathlib.Path("runs/lecture_00_smoke")
    out.mkdir(parents=True)
    report = {"lecture": 0, **find(0)(scale="smoke").config, "tinymm": __version__, "seconds": 1.0, "metrics": {}, "claims": []}
    (out / "report.json").write_text(json.dumps({**report, **change}))
    assert str(out) in assert_refused(["claims", "0", "--scale", "smoke"], capsys)


# ---------------------------------------------------------------------- names and pictures that are odd, and right

def test_a_picture_of_one_column(folder):
    from tinymm.data import read_picture
    from tinymm.data.readers.images import picture_size

    assert picture_size(folder / "tall.png") == (20_000, 1)
    picture = read_picture(folder / "tall.png", 64, 1)
    middle = read_picture(folder / "tall.png", None, 1)[:, 9_990:10_010].mean()
    assert picture.shape == (1, 64, 64) and abs(picture.mean() - middle) < .25   # what is left of it is its middle


@posix
@pytest.mark.parametrize("name", ["new\nline'\".png", "bad\udcff.png", "é.png", "x" * 251 + ".png"], ids=ascii)
def test_names_that_terminals_do_not_like(name, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        shutil.copy(folder / "p.png", name)
    except OSError:
        pytest.skip("this file system does not take the name")
    monkeypatch.setattr("tinymm.experiments.captioning.trained.Captioning.captions", lambda *a: [(["one"], -1.0)])
    sys.stdout.reconfigure(errors="backslashreplace")   # as for the program
    code, err = called(["caption", name, "--model", str(folder / "run")], capsys)
    assert code == 0 and "Traceback" not in err
    written = [made for made in os.listdir() if made.endswith("_attention.png")]
    assert len(written) == 1 and len(os.fsencode(written[0])) <= 255 and written[0][0] == name[0]


# ---------------------------------------------------------------------- the environment

@pytest.mark.parametrize("name, value", [("TINYMM_NUM_THREADS", "two"), ("TINYMM_NUM_THREADS", "0"), ("TINYMM_NUM_THREADS", "-1"),
                                         ("TINYMM_NUM_THREADS", "1e9"), ("TINYMM_NUM_THREADS", "9" * 5000),
                                         ("NUMBA_NUM_THREADS", "two"), ("TINYMM_KERNELS", "quick")])
def test_a_wrong_variable_is_named_by_commands_and_warned_about_in_programs(name, value, monkeypatch, capsys):
    from tinymm.backend import threads

    monkeypatch.setattr(threads, "_requested", None)
    monkeypatch.setenv(name, value)
    assert name in assert_refused(["doctor"], capsys)
    if name == "TINYMM_NUM_THREADS":
        monkeypatch.setattr(threads, "_of_environment", threads._of_environment.__wrapped__)   # read anew
        with pytest.warns(UserWarning, match="must be a number of threads"):
            assert threads.get_num_threads() == threads.cpu_count()


@pytest.mark.parametrize("value", ["", " ", " 2 ", "1000000"])
def test_variables_that_are_right(value, monkeypatch):
    from tinymm.backend import threads

    monkeypatch.setattr(threads, "_requested", None)
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    monkeypatch.setattr(threads, "_of_environment", threads._of_environment.__wrapped__)   # read anew
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setenv("TINYMM_NUM_THREADS", value)
    assert wrong_settings() == [] and threads.get_num_threads() == (2 if value == " 2 " else 4)


# ---------------------------------------------------------------------- streams and signals, in processes of their own

def start(*argv, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace", **options}
    return subprocess.Popen([sys.executable, *argv], **options)


@posix
@pytest.mark.parametrize("argv", [["doctor"], ["--help"]], ids=str)
def test_nobody_reads(argv):
    process = start("-u", "-m", "tinymm", *argv)
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(), err) == (0 if argv == ["--help"] else UNREAD, "")


@posix
@pytest.mark.parametrize("redirection, code", [(">&-", 0), ("2>&-", 0), (">&- 2>&- <&-", 0), ("2>/dev/full", 0), (">/dev/full", 2)])
def test_streams_that_are_closed_or_full(redirection, code):
    if "full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is full")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    process = start("-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1], shell=True))",
                    f"{sys.executable} -m tinymm --help {redirection}", env=environment)
    _, err = process.communicate()
    assert process.returncode == code and len(err.splitlines()) == (code == 2) and "Traceback" not in err


@posix
def test_a_terminal_that_cannot_print_a_name(folder, tmp_path):
    name = "é\udcff\n.png"
    try:
        shutil.copy(folder / "p.png", tmp_path / name)
    except OSError:
        pytest.skip("this file system does not take the name")
    process = start("-m", "tinymm", "zero-shot", str(tmp_path / name), str(tmp_path / ("no" + name)), "--labels", "a", "b",
                    "--model", str(folder / "clip"),
                    env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    out, err = process.communicate()
    assert process.returncode == 2 and len(err.splitlines()) == 1 and "Traceback" not in err
    assert "0." in out and "does not exist" in err


def interrupted(after, argv, number=signal.SIGINT, **options):
    process = start("-m", "tinymm", *argv, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), **options)
    time.sleep(after)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def before_the_first_line(err):
    """Whether a traceback is from Python's own search for the package, or the import that makes it watch for Ctrl-C."""
    frames = re.findall(r'File "([^"]*)"', err)
    return all(file.startswith("<frozen ") or file.endswith(os.path.join("tinymm", "__init__.py")) for file in frames)


@posix
@pytest.mark.parametrize("after", [.15, .6])
def test_ctrl_c_while_it_starts(after):
    code, err = interrupted(after, ["gradcheck", "--all"])
    while "Traceback" in err and before_the_first_line(err):   # a busy machine has not come to a line of ours yet
        after += 0.2
        code, err = interrupted(after, ["gradcheck", "--all"])
    assert "Traceback" not in err
    assert code in (INTERRUPTED, -signal.SIGINT) and ("interrupted" in err or not err)   # nothing is said before Python has started


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("after", [1.5, 3.0])
@pytest.mark.parametrize("argv", [["gradcheck", "--all"], ["lecture", "0"], ["bench", "chain", "--alone"]], ids=str)
def test_signals_end_every_command_in_one_line(argv, after, number, code, tmp_path):
    found, err = interrupted(after, argv, number, cwd=tmp_path)
    assert "Traceback" not in err, err
    if found == -signal.SIGTERM:   # on a slow machine the program has not started yet
        assert not err
    else:   # 130: in a callback from C, which ends at once
        assert found in (code, INTERRUPTED) and "interrupted" in err.splitlines()[-1]


@posix
@pytest.mark.slow
@pytest.mark.parametrize("after", [.2, .5, 1.0, 2.0])
def test_ctrl_c_twice(after, tmp_path):
    process = start("-m", "tinymm", "lecture", "0", cwd=tmp_path,
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    time.sleep(after)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(.02)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    assert process.returncode in (INTERRUPTED, -signal.SIGINT)


def test_only_a_program_is_watched(monkeypatch):
    from tinymm.backend import starting

    for first, words, is_it in (("-m", ["-u", "-m", "tinymm", "doctor"], True), ("-m", ["-mtinymm"], True),
                                ("-m", ["-m", "mine", "-m", "tinymm"], False), ("-m", ["-m"], False),
                                ("/usr/bin/tinymm", ["/usr/bin/tinymm"], True), ("tinymm.exe", ["tinymm.exe"], True),
                                ("/usr/bin/pytest", ["/usr/bin/pytest"], False), ("", [], False)):
        monkeypatch.setattr(sys, "argv", [first])
        monkeypatch.setattr(sys, "orig_argv", ["python", *words])
        assert starting.is_program() is is_it


def test_a_package_that_imports_this_one_keeps_its_ctrl_c(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("import tinymm\n")
    (tmp_path / "mine" / "__main__.py").write_text(
        "import signal; from tinymm.backend import starting; print(signal.getsignal(signal.SIGINT) is starting.leave_quietly)\n")
    root = str(pathlib.Path(__file__).parents[1])
    process = start("-m", "mine", cwd=tmp_path, env={**os.environ, "PYTHONPATH": root})
    assert process.communicate() == ("False\n", "")


def test_a_stream_that_fails_ends_nothing():
    class Full:
        encoding = "utf-8"

        def write(self, text):
            raise OSError(28, "No space left on device")

        def flush(self):
            self.write("")

    stream = terminal.Forgiving(Full())
    assert stream.write("a bar") == 5 and stream.encoding == "utf-8"
    stream.flush()
