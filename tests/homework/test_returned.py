"""What a student's function may return, and how it may behave: each gets a verdict and a line, and never an exception."""

import pytest

from tests.homework.sources import SOLUTION, changed, handed_in
from tinymm.homework import check

NAME = "moving_average_baseline"
FAKE = "class Fake:\n    shape, dtype, ndim, size = (5,), np.dtype(float), 1, 5\n    "


def judged(tmp_path, code: str, body: str, **options):
    """The result of a function with this body; ``right`` in it is what the right one returns."""
    indented = body.replace("\n", "\n    ")
    source = f"{SOLUTION}\n\n{code}\n_right = {NAME}\ndef {NAME}(log_p, b_0):\n    right = _right(log_p, b_0)\n    {indented}\n"
    return check("04", handed_in(tmp_path, source), only=NAME, **options)[NAME]


@pytest.mark.parametrize("body, says", [
    ("return right[0], np.matrix(right[1])[0]", "an np.matrix, for which * means another thing, and should be"),
    ("return np.ma.array(right[0]), right[1]", "a masked array and should be a NumPy array, (M=5, N=3)\nmutant.py, line"),
    ("import tinymm\nreturn tinymm.tensor(right[0]), right[1]", "of type Tensor and should be a NumPy array, (M=5, N=3)\n"
     "mutant.py, line 329:  return tinymm.tensor(right[0]), right[1]\nlikely: x.numpy()"),
    ("return right[0], list(right[1])", "likely: np.array(x) makes an array of a list"),
    ("yield right", "of type generator, and should return the 2 values advantage, b\nlikely: a yield"),
    ("return right[0].astype(object), right[1]", "advantage holds object and should hold float64"),
    ("return right[0].astype(str), right[1]", "advantage holds <U32"), ("return right[0] > 0, True", "b is of type bool"),
    ("return np.zeros((5, 3), 'f8,f8'), right[1]", "advantage holds [('f0'"), ("return 10 ** 500, right[1]", "a single number and"),
    ("return right[0].astype('M8[s]'), right[1]", "advantage holds datetime64[s]"), ("return right[0], None", "b is None"),
    ("return np.broadcast_to(1.0, (10 ** 6, 10 ** 6, 1000)), right[1]", "has shape (1000000, 1000000, 1000)"),
    ("return right[0] * np.inf, right[1]", "15 of 15 elements are not finite"), ("return (right[0],)", "it returns 1 value and"),
    ("log_p += 1\nreturn right", "it writes into its argument log_p"),
    ("log_p.shape = -1\nreturn right", "it writes into its argument"),
    ("log_p.dtype = np.int64\nreturn right", "it writes into its argument log_p"),
    ("return right[0] + 1e-3 * np.random.rand(), right[1]", "a second call with the same arguments gives another result"),
    ("calls.append(0)\nreturn right[0] * (len(calls) < 2), right[1]", "a second call with the same arguments gives another result"),
    (FAKE + "__class__ = np.ndarray\nreturn Fake(), right[1]", "advantage is of type Fake"),
    (FAKE + "__class__ = tuple\nreturn Fake()", "one value, of type Fake, and should return the 2"),
    (FAKE + "def __array__(self, *a, **k): raise ValueError\nreturn Fake(), right[1]", "advantage is of type Fake"),
    (FAKE + "def __eq__(self, other):\n        while True: pass\n    __repr__ = __array__ = __eq__\nreturn Fake(), right[1]",
     "advantage is of type Fake"),
    ("class P:\n    @property\n    def __class__(self): raise ValueError('no')\nreturn P(), P()", "advantage is of type P"),
    (FAKE + "def __getattr__(self, name): return self\nreturn Fake(), right[1]", "advantage is of type Fake"),
    ("class T(tuple):\n    def __len__(self): return 2\n    def __iter__(self): raise ValueError\nreturn T((1,))",
     "it returns 1 value and"),
    ("np.mean = None\nreturn right", "it replaces numpy.mean, which all others use, too"),
])
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_an_odd_value_is_wrong_and_explained(body, says, tmp_path):
    result = judged(tmp_path, "calls = []", body)
    assert result.verdict == "wrong" and says in "\n".join(result.details()), result


@pytest.mark.parametrize("body, says", [
    ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E: (its message cannot be told: that raises Val"),
    ("raise ValueError('x' * 10 ** 7)", "x ..."), ("raise GeneratorExit", "GeneratorExit"),
    ("return np.ones(10 ** 15)", "MemoryError"), ("class Q(BaseException): pass\nraise Q('mine')", "Q: mine"),
    ("raise ValueError(None) from None", "ValueError: None"),
    ("from tinymm.homework.call import Stop\nraise Stop('ok')", "Stop: ok"),
])
def test_an_odd_exception_is_an_error(body, says, tmp_path):
    result = judged(tmp_path, "", body)
    assert result.verdict == "error" and says in "\n".join(result.details()), result
    assert max(map(len, result.details())) < 2_200


@pytest.mark.parametrize("body", [
    "np.seterr(all='raise')\nreturn right", "import sys\nsys.stdout.write('x')\nreturn right", "return list(right)",
    "log_p.flags.writeable = False\nreturn right", "return right[0].copy(order='F'), right[1][::-1][::-1]",
    "import warnings\nwarnings.warn('odd')\nreturn right"])
@pytest.mark.filterwarnings("ignore:odd")
def test_a_right_function_with_habits_is_right(body, tmp_path):
    assert judged(tmp_path, "", body).ok


@pytest.mark.parametrize("function", [
    "class A:\n    def __getattr__(self, name): return self\n    def __call__(self, *a): return self\n{} = A()",
    "from unittest.mock import MagicMock\n{} = MagicMock()", "{} = type", "{} = dict.fromkeys", "class {}: pass", "{} = print",
    "class A:\n    __signature__ = 'x'\n    def __call__(self, *a): return self\n{} = A()"])
def test_an_odd_function_is_judged(function, tmp_path):
    result = check("04", handed_in(tmp_path, f"{SOLUTION}\n\n{function.format(NAME)}\n"), only=NAME)[NAME]
    assert result.verdict in ("wrong", "error") and result.problems[0].text


def test_a_judgement_that_raises_is_a_verdict(tmp_path, monkeypatch):
    def fooled(*args):
        raise TypeError("an object that lies in a new way")
    monkeypatch.setattr("tinymm.homework.forward.judge", fooled)
    result = judged(tmp_path, "", "return right")
    assert result.verdict == "error" and "looking at it raises TypeError: an object that lies" in result.problems[0].text


def test_a_limit_that_is_swallowed_counts(tmp_path):
    body = "import time\nfor _ in range(8):\n    try:\n        time.sleep(0.05)\n    except BaseException: pass\nreturn right"
    result = judged(tmp_path, "", body, limit=0.3)
    assert result.verdict == "time limit" and "still running after 0.3 s" in result.problems[0].text


def test_a_cache_that_holds_itself_or_is_written_later(tmp_path):
    source = changed(("cache = missing, words, lam", "cache = [missing, words, lam]; cache.append(cache)"),
                     ("missing, words, lam = cache", "missing, words, lam, _ = cache"))
    assert check("04", handed_in(tmp_path, source)).ok


def test_switches_of_the_engine_do_not_reach_the_reference(tmp_path):
    import tinymm

    before = tinymm.get_default_dtype()
    try:
        source = changed(("du = (t * de", "du = 2 * (t * de")) + "\nimport tinymm\ntinymm.set_default_dtype(np.float64)\n" \
            "_off = tinymm.no_grad()\n_off.__enter__()\n"
        with tinymm.no_grad():
            report = check("04", handed_in(tmp_path, source))
    finally:
        tinymm.set_default_dtype(before)
        tinymm.autograd.state.state.flags |= 1
    assert report.passed == 6 and "a constant factor: 2 times" in "\n".join(report["soft_attention_backward"].details())
