"""A submission that ends, holds up, floods or spoils its process: the command ends with its report and the right exit code.

Many faults go into one file or notebook, since each process takes a second; the slow table has them one by one.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.homework.sources import FUNCTIONS, SOLUTION, changed, handed_in
from tinymm.cli import main
from tinymm.homework import apart, check, process, pytest_cases, remote

posix = pytest.mark.skipif(os.name != "posix", reason="signals, forks and limits of POSIX")
BASELINE = "moving_average_baseline"
SOFT = "    z = (alpha[:, :, None] * a).sum(axis=1)"
EXIT = SOFT, f"    import os\n    os._exit(0)\n{SOFT}"     # in soft_attention_forward
FOREVER = "while True:\n    try:\n        pass\n    except BaseException:\n        pass\n"


def notebook(*cells) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells], "metadata": {}, "nbformat": 4})


def with_body(body: str, function: str = BASELINE) -> str:
    """The solution with one function that does something else."""
    indented = body.strip("\n").replace("\n", "\n    ")
    return f"{SOLUTION}\n\ndef {function}(*arguments):\n    {indented}\n"


@pytest.fixture
def command(tmp_path, capfd):
    """``python -m tinymm check 04`` of a text; its exit code and what it prints. The submission's process is a real one."""
    def run(source, *options, name="my.py"):
        path = tmp_path / name
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        code = main(["check", "04", str(path), *options])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err, out + err
        return code, out, err
    return run


def verdicts(out: str) -> dict[str, str]:
    """Function -> the first word of its verdict, from a printed report."""
    return {name: words[0] for line in out.splitlines() for words in [line.split()] for name in FUNCTIONS if name in words[1:3]
            and line.startswith("  ") and not line.startswith("    ")}


# ---------------------------------------------------------------------- a process that ends

@posix
def test_functions_that_end_their_process_leave_the_others(command):
    source = changed(("    missing, words, lam = cache\n", "    import os\n    os.kill(os.getpid(), 9)\n"),
                     ("    drawn = np.take", "    import ctypes\n    ctypes.string_at(0)\n    drawn = np.take"),
                     EXIT,
                     ("    baseline = b_0\n", "    sum(range(10 ** 12))\n    baseline = b_0\n"))
    code, out, _ = command(source, "--limit", "1")
    assert code == 1 and verdicts(out) == dict(zip(FUNCTIONS, ["ERROR", "not", "ok", "ERROR", "ERROR", "not", "TIME"]))
    for says in ("it ends the process, with os._exit(0)", "os._exit(0)\n", "ended by signal 9 (SIGKILL)",
                 "ended by signal 11 (SIGSEGV)", "ctypes.string_at(0)\n", "it needs soft_attention_forward first",
                 "still running after 1 s, and stopped with its process", "sum(range(10 ** 12))\n"):
        assert says in out


@posix
def test_cells_that_end_their_process_leave_the_others(command):
    code, out, _ = command(notebook("import os\nos._exit(0)", "import os\nos.abort()", FOREVER, "import os\nos.closerange(3, 1000)",
                                    SOLUTION), "--limit", "1", name="my.ipynb")
    assert code == 0 and "7 of 7 functions right" in out   # as of a cell that raises
    for says in ("os._exit(0); (while the file was executed", "my.ipynb, cell 1, line 2:  os._exit(0)",
                 "ended by signal 6 (SIGABRT)", "my.ipynb, cell 2, line 2:  os.abort()",
                 "still running after 1 s, and stopped", "it closes files that are not its own"):
        assert says in out


@pytest.mark.parametrize("text, right", [("import os\nos._exit(0)\n" + SOLUTION, 0), (SOLUTION + "\nimport os\nos._exit(0)\n", 7)])
def test_what_stands_before_the_end_of_the_process_is_checked(text, right, command):
    code, out, _ = command(text)
    assert code == 1 and f"{right} of 7 functions right" in out and "it ends the process, with os._exit(0)" in out


def test_a_file_that_ends_each_process_elsewhere_is_given_up(command, monkeypatch):
    monkeypatch.setattr(remote, "RESTARTS", 1)
    cells = ["import os\nos._exit(3)"] * 4
    code, out, _ = command(notebook(SOLUTION, *cells), name="my.ipynb")
    assert code == 1 and "0 of 7" in out and out.count("the file ends its process each time that it is executed") == 7
    assert "it ends the process, with os._exit(3)" in out


def test_the_forward_that_ends_its_process_where_only_the_backward_is_asked_for(command):
    source = changed(EXIT)
    code, out, _ = command(source, "--only", "soft_attention_backward")
    assert code == 1 and "it needs soft_attention_forward first" in out
    assert "note: soft_attention_forward: it ends the process, with os._exit(0)" in out


# ---------------------------------------------------------------------- what disturbs nobody

@posix
def test_what_a_submission_leaves_and_closes_disturbs_nobody(command, tmp_path):
    beat = tmp_path / "beat"
    code, out, err = command(SOLUTION + f"""

import asyncio, atexit, os, subprocess, sys, threading, time, warnings
atexit.register(os._exit, 0)
threading.Thread(target=time.sleep, args=(600,)).start()
threading.Thread(target=lambda: 1 / 0).start()
beats = "import time\\nwhile True:\\n    open({str(beat)!r}, 'a').write('x')\\n    time.sleep(0.01)"
subprocess.Popen([sys.executable, "-c", beats])
while not os.path.exists({str(beat)!r}):
    time.sleep(0.01)
if os.fork() == 0:
    raise ValueError("in a fork")
warnings.simplefilter("error")
async def nothing(): pass
asyncio.run(nothing())
os.chdir("/")
os.remove(__file__)
sys.__stdout__.close()
print('{{"done": true}}')
os.write(1, b'{{"done": true}}\\n')
for number in range(3): os.close(number)
sys.stdout = sys.stderr = sys.stdin = None
sys.path.clear()
sys.modules.clear()
""")
    assert code == 0 and "7 of 7 functions right" in out and "note" not in out and "done" not in out
    assert err == "check: a thread of the file raised ZeroDivisionError: division by zero\n"
    before = beat.stat().st_size
    time.sleep(0.2)
    assert beat.stat().st_size == before   # what it started has been stopped


def test_exceptions_that_are_no_exceptions_are_told(command):
    lines = ["raise KeyboardInterrupt", "raise GeneratorExit", "class Q(BaseException): pass\nraise Q('mine')", "exit()", "quit()",
             "import sys\nsys.exit(0)", "raise SystemExit", "answer = input('name? ')", "import sys\nsys.stdin.read()",
             "from . import helper", "y = " + "-" * 200_000 + "1"]
    code, out, _ = command(notebook(*lines, SOLUTION), name="my.ipynb")
    assert code == 0 and "7 of 7 functions right" in out and out.count("  note: ") == len(lines)
    for says in ("KeyboardInterrupt", "GeneratorExit", "Q: mine", "it ends the program", "it asks for input()",
                 "import a file beside it without the dot"):
        assert says in out
    assert command("raise KeyboardInterrupt\n" + SOLUTION)[0] == 1


def test_prints_without_end_are_cut(command):
    code, out, _ = command(with_body("import os\nos.write(1, b'raw')\nprint('y' * 100_000_000, end='')\nreturn input('name? ')"))
    assert code == 1 and len(out) < 70_000 and "check shows no more than 65536 characters" in out and "raw" not in out
    assert "\nexercise 04" in out and "EOFError: it asks for input()" in out


@posix
def test_a_wish_for_too_much_memory_or_disk_is_told(command, tmp_path):
    big = f"with open({str(tmp_path / 'big')!r}, 'wb') as file:\n    file.truncate(2 ** 31)\n"
    code, out, _ = command(big + with_body("return np.ones(10 ** 10)"))
    assert code == 1
    if sys.platform == "linux":
        assert "MemoryError" in command(with_body("return np.ones(10 ** 10)"), "--only", "baseline")[1] and "File too large" in out


def test_a_line_of_control_characters_does_not_reach_the_terminal(command):
    code, out, _ = command(with_body(r"raise ValueError('\x1b[31mred')"), "--only", "baseline")
    assert code == 1 and "\x1b" not in out and "ValueError: ?[31mred" in out


# ---------------------------------------------------------------------- what is replaced

def test_a_file_that_replaces_numpy_is_judged_by_numpy(command):
    wrong = changed(("du = (t * de", "du = 2 * (t * de"))
    code, out, _ = command(wrong + "\nnp.abs = np.argmax = lambda *a, **k: 0 * a[0]\nimport builtins, time, tinymm\n"
                           "builtins.print = None\ntime.perf_counter = None\ntinymm.Tensor.__matmul__ = None\n"
                           "tinymm.set_default_dtype(np.float64)\n"
                           "tinymm.no_grad().__enter__()\n")
    assert code == 1 and "6 of 7 functions right" in out and "a constant factor: 2 times" in out
    for name in ("print", "numpy.abs", "numpy.argmax", "tinymm.Tensor.__matmul__", "time.perf_counter"):
        assert name in out[out.index("note: the file replaces"):]


def test_a_function_that_replaces_numpy_is_not_right(command):
    code, out, _ = command(changed(("    baseline = b_0\n", "    np.sum = None\n    baseline = b_0\n")))
    assert code == 1 and "6 of 7" in out and "it replaces numpy.sum, which all others use, too" in out


# ---------------------------------------------------------------------- what cannot be checked

@pytest.mark.parametrize("arguments, says", [
    (["04", "none.py"], "there is no file none.py"), (["04", "."], "is a folder"), (["04", ""], "is a folder"),
    (["04", "*.py"], "there is no file *.py"), (["04", os.devnull], "is a pipe or a device"),
    (["04", "a" * 5000], "cannot be read"),
    (["04", "x\0.py"], "is no name of a file"), (["04", __file__, "--limit", "nan"], "a limit of nan s must be between 0"),
    (["04", __file__, "--limit", "-1"], "must be between"), (["04", __file__, "--limit", "inf"], "must be between"),
    (["04", __file__, "--json", "nowhere/r.json"], "there is no folder"), (["04", __file__, "--json", "."], "folder"),
    (["04", __file__, "--json", ""], "--json"), (["77", __file__], "there is no exercise '77'"),
    (["04", __file__, "--only", "x"], "no task or function 'x'")])
def test_one_line_where_nothing_can_be_checked(arguments, says, capsys):
    if os.name == "nt" and arguments[1] == os.devnull:
        pytest.skip("NUL is no path there")
    try:
        code = main(["check", *arguments])
    except SystemExit as stop:   # what the parser refuses
        code = stop.code
    out, err = capsys.readouterr()
    assert code == 2 and out == "" and err.count("\n") == 1 and says in err and "Traceback" not in err


@posix
def test_pipes_large_files_and_locked_ones_are_refused(tmp_path, capsys):
    os.mkfifo(tmp_path / "fifo.py")
    for name, size in (("large.py", 2 ** 30), ("locked.py", 0)):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size)
    (tmp_path / "locked.py").chmod(0)
    for name, says in (("fifo.py", "a pipe or a device"), ("large.py", "has 1024 MiB"),
                       ("locked.py", "cannot be read: Permission denied")):
        if name != "locked.py" or os.geteuid():   # root reads all
            assert main(["check", "04", str(tmp_path / name)]) == 2 and says in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_printed_all_the_same(tmp_path, capsys, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("pathlib.Path.write_text", full)
    monkeypatch.setattr("tinymm.homework.apart.check_apart", lambda *args: check("04", {}))
    assert main(["check", "04", __file__, "--json", str(tmp_path / "r.json")]) == 2
    out, err = capsys.readouterr()
    assert "0 of 7" in out and "No space left" in err and list(tmp_path.iterdir()) == []


def test_a_process_that_does_not_start_is_told(tmp_path, capsys, monkeypatch):
    path = str(handed_in(tmp_path, SOLUTION))
    monkeypatch.setattr(process, "ROOT", tmp_path)   # there is no package
    monkeypatch.setattr(sys, "path", [])
    assert main(["check", "04", path]) == 2
    err = capsys.readouterr().err
    assert "could not start: ModuleNotFoundError" in err and err.count("\n") == 1
    monkeypatch.setattr(sys, "executable", "")
    assert main(["check", "04", path]) == 2 and "can start no process" in capsys.readouterr().err


def test_ctrl_c_stops_the_process(tmp_path, capsys, monkeypatch):
    started = []

    def interrupted(self, deadline):
        started.append(self.process)
        raise KeyboardInterrupt
    monkeypatch.setattr(process.Process, "next", interrupted)
    assert main(["check", "04", str(handed_in(tmp_path, SOLUTION))]) == 130
    assert "interrupted" in capsys.readouterr().err and started[0].poll() is not None


# ---------------------------------------------------------------------- the doors

def test_the_command_of_a_shell_with_an_open_keyboard(tmp_path):
    """The whole command in a process of its own; nobody types, and the file asks."""
    path = handed_in(tmp_path, with_body("return input('name? ')"))
    with subprocess.Popen([sys.executable, "-m", "tinymm", "check", "04", str(path), "--json", str(tmp_path / "r.json")],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        out, err = process.stdout.read(), process.stderr.read()   # the keyboard stays open
    assert process.returncode == 1 and err == "" and "6 of 7" in out and "it asks for input()" in out
    data = json.loads((tmp_path / "r.json").read_text())
    assert [r["verdict"] for r in data["results"]] == ["ok"] * 6 + ["error"]


def test_both_ways_give_one_report(tmp_path):
    path = handed_in(tmp_path, changed(("du = (t * de", "du = 3 * (t * de"),
                                       ("    drawn = np.take", "    1 / 0\n    drawn = np.take")))
    here, there = check("04", path).as_dict(), apart.check_apart("04", path).as_dict()
    for report in (here, there):
        report.pop("seconds")
        for result in report["results"]:
            result.pop("seconds")
    assert here == there and there["passed"] == 4


def test_pytest_survives_a_file_that_ends_the_process(tmp_path):
    cases = pytest_cases("04", handed_in(tmp_path, SOLUTION + "\nimport os\nos._exit(0)\n"))
    assert [case.values[0].ok for case in cases] == [False] + [True] * 7


# ---------------------------------------------------------------------- one by one

ALONE = [   # (source, exit code, a part of the report)
    ("import atexit, os\natexit.register(os._exit, 0)\n", 1, "0 of 7"),
    (with_body("import os\nos.abort()"), 1, "SIGABRT"),
    (with_body("return sum(range(10 ** 12))"), 1, "stopped with its process"),
    (with_body("import os\nos.system('yes')"), 1, "stopped with its process"),
    (with_body("import os\nwhile True:\n    os.write(1, b'y' * 1000)"), 1, "still running"),
    (with_body("while True:\n    print('y' * 1000, end='')"), 1, "still running"),
    (with_body("import sys\nsys.setrecursionlimit(10 ** 9)\ndef g(n):\n    return g(n + 1) + 1\nreturn g(0)"), 1, BASELINE),
    (with_body("x = []\nfor _ in range(10 ** 6):\n    x = [x]\nreturn repr(x)"), 1, "RecursionError"),
    (with_body("x = []\nwhile True:\n    x.append(np.ones(10 ** 7))"), 1, BASELINE),
    (with_body("import os\nos.closerange(0, 1000)"), 1, "closes files"),
    (with_body("breakpoint()"), 1, "BdbQuit"),
    (SOLUTION + "\nimport signal\nsignal.setitimer(signal.ITIMER_REAL, 0.02)\n", 1, "SIGALRM"),
    (SOLUTION + "\nimport threading, os, time\nthreading.Thread(target=lambda: (time.sleep(0.1), os._exit(0))).start()\n", None,
     "of 7"),
    (SOLUTION + "\nimport multiprocessing as m, time\nm.get_context('fork').Process(target=time.sleep, args=(99,)).start()\n", 0,
     "7 of 7"),
    (SOLUTION + "\nimport builtins\nbuiltins.len = None\n", 1, "its process ended"),
    (SOLUTION + "\nimport gc\ngc.disable()\n", 0, "7 of 7"),
    (SOLUTION + "\nimport matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()\n", 0, "7 of 7"),
    (SOLUTION + "\nfrom tqdm import tqdm\nfor _ in tqdm(range(10)):\n    pass\n", 0, "7 of 7"),
    ("from tinymm import *\n" + SOLUTION, 0, "7 of 7"),
    (SOLUTION + "\nx = 10 ** 10 ** 9\n", 1, "7 of 7"),
    (SOLUTION + "\n" + FOREVER, 1, "7 of 7"),
    (SOLUTION + "\ny = " + "1+" * 20_000 + "1\n", None, "of 7"),   # where the parser gives up hangs on Python
    (SOLUTION + "\ny = " + "(" * 5_000 + ")" * 5_000 + "\n", 1, "too many nested parentheses"),
]


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ALONE)))
def test_one_by_one(number, command):
    source, wanted, says = ALONE[number]
    code, out, _ = command(source, "--limit", "2")
    assert says in out and (code == wanted or wanted is None and code in (0, 1)), out


@posix
@pytest.mark.slow
def test_the_process_ends_with_the_one_that_asked(tmp_path):
    """Nobody is left to stop it: it notices."""
    alive = tmp_path / "alive"
    path = handed_in(tmp_path, f"import time\nwhile True:\n    open({str(alive)!r}, 'a').write('x')\n    time.sleep(0.01)\n")
    process = subprocess.Popen([sys.executable, "-m", "tinymm", "check", "04", str(path), "--limit", "500"])
    while not alive.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.0)
    size = alive.stat().st_size
    time.sleep(0.5)
    assert alive.stat().st_size == size
