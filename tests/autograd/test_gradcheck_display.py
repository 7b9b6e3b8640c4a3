"""The report in a terminal of 80 columns and in a notebook."""

import re
import xml.etree.ElementTree as tree

import numpy as np
import pytest

from tinymm import Function, gradcheck
from tinymm.autograd import elementwise as e
from tinymm.autograd.gradcheck import ArgumentReport, GradcheckError

X = np.linspace(-1.3, 1.7, 12).reshape(3, 4)


class Half(Function):
    def forward(self, x, a_weight_with_a_long_name):
        self.x, self.w = x, a_weight_with_a_long_name
        return self.x * self.w

    def backward(self, g):
        return g * self.w / 2, np.where(g == g, np.nan, g)


@pytest.fixture(scope="module")
def failed():
    return gradcheck(Half.apply, [X * 1e-7, X * 1e9], raise_exception=False)


def test_no_line_is_wider_than_eighty_columns(failed):
    assert not failed.ok and max(map(len, repr(failed).splitlines())) <= 80, failed
    report = gradcheck(e.relu, [np.array([0.0, 1.0])])
    assert max(map(len, repr(report).splitlines())) <= 80, report


def test_a_flat_numeric_value_is_told_in_one_line():
    text = repr(gradcheck(lambda x: e.exp(x) * x.detach(), [X], raise_exception=False))
    assert re.search(r"the same numeric value came for every step h = 1e-0\d to \de-0\d", text) and "by step size" not in text


def test_a_value_that_is_not_flat_is_shown_by_step():
    curve = [(10.0**-k, float(k)) for k in range(2, 9)]
    report = ArgumentReport("x", (3,), "wrong", "3 elements", (1,), 1.0, 2.0, 0.5, curve=curve)
    from tinymm.autograd.gradcheck import GradcheckReport
    assert "by step size" in repr(GradcheckReport("f", [report]))


def test_numbers_that_differ_look_different():
    report = ArgumentReport("x", (3,), "wrong", "3 elements", (1,), 0.490037123456, 0.490037123457)
    assert report.row()[5] == "0.490037123456" and report.row()[6] == "0.490037123457"


def test_the_curve_scales_and_has_axes(failed):
    html = gradcheck(e.exp, [np.array([1.1])])._repr_html_()
    svg = tree.fromstring(re.search(r"<svg.*?</svg>", html, re.S).group())
    _, _, width, height = map(float, svg.get("viewBox").split())
    assert svg.get("role") == "img" and "relative error" in svg.get("aria-label")
    words = [t.text for t in svg.iter("text")]
    assert "step size h" in words and "relative error" in words and sum(w.startswith("1e") for w in words) >= 6
    for x, y in re.findall(r"([\d.]+),([\d.]+)", svg.find("polyline").get("points")):
        assert 0 <= float(x) <= width and 0 <= float(y) <= height
    assert "NaN" in failed._repr_html_() or "nan" in failed._repr_html_()


def test_a_notebook_shows_the_report_without_the_checkers_inside():
    with pytest.raises(GradcheckError) as info:
        gradcheck(Half.apply, [X, X])
    lines = info.value._render_traceback_()
    assert "GradcheckError" in lines[0] and lines[1].startswith("gradcheck of Half: FAILED")
    assert not any("File" in line or "run.py" in line for line in lines)
