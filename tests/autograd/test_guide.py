"""docs/gradcheck.md: its code runs, and its reports are what the checker prints.

``python -m tests.autograd.test_guide`` writes the reports anew.
"""

import contextlib
import io
import linecache
import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "gradcheck.md"
BLOCK = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.S)
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?|nan|inf")


def printed(source: str) -> list[str]:
    """What each code block of a guide prints; the blocks share their names, as in one session."""
    names, found = {"__name__": "guide"}, []
    for code, _ in BLOCK.findall(source):
        linecache.cache["guide.py"] = (len(code), None, code.splitlines(True), "guide.py")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, "guide.py", "exec"), names)
        found.append(out.getvalue())
    return found


def same(a: str, b: str) -> bool:
    """Equal words, and numbers equal to four digits (errors below 1e-6, which are rounding, to nothing)."""
    if " ".join(NUMBER.sub("#", a).split()) != " ".join(NUMBER.sub("#", b).split()):
        return False
    pairs = zip(map(float, NUMBER.findall(a)), map(float, NUMBER.findall(b)))
    return all(x == pytest.approx(y, rel=1e-4, abs=1e-6, nan_ok=True) for x, y in pairs)


def test_every_report_is_what_is_printed():
    source = GUIDE.read_text(encoding="utf-8")
    shown = [report for _, report in BLOCK.findall(source)]
    assert len(shown) == source.count("```python") == source.count("```text") == 8
    for want, got in zip(shown, printed(source)):
        assert same(want, got), f"the guide shows\n{want}\nand this is printed\n{got}"


def test_the_comparison_sees_other_words_and_other_numbers():
    assert same("x 1.00001 ok", "x  1.00002 ok") and same("8e-12", "3e-11")
    assert not same("x 1.0 ok", "x 1.0 wrong") and not same("x 1.0", "x 1.1")


def test_every_verdict_is_explained():
    from tinymm.autograd.gradcheck.report import VERDICTS

    source = GUIDE.read_text(encoding="utf-8")
    assert all(f"| {verdict} |" in source for verdict in VERDICTS)


def main() -> None:
    """Write the guide's reports anew."""
    source = GUIDE.read_text(encoding="utf-8")
    found = iter(printed(source))
    GUIDE.write_text(BLOCK.sub(lambda m: f"```python\n{m[1]}```\n\n```text\n{next(found)}```", source), encoding="utf-8")


if __name__ == "__main__":
    main()
