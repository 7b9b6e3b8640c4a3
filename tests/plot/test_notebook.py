"""What a notebook shows: a picture with its text, tables, claims; and drawings of boxes and arrows."""

import base64

import pytest
from matplotlib.figure import Figure

from tinymm import plot

from .test_attention import overlaps


def test_a_picture_carries_its_text():
    shown = plot.picture(Figure(figsize=(2, 1)), "A page\n  with nothing on it.", dpi=50)
    data, metadata = shown._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG") and data["image/png"].isascii()
    assert metadata["image/png"]["alt"] == "A page with nothing on it." and "nothing" in repr(shown)
    with pytest.raises(ValueError, match="alt is empty"):
        plot.picture(Figure(), " ")


def test_a_table_sets_numbers_to_the_right_and_escapes_text():
    table = plot.table(["row", "R@1", "R@5", "note"], [["<b>", 0.123456, None, "x"], ["c", float("nan"), "12 %", "-"]], "of a & b")
    assert table.rows == [["<b>", "0.123", "-", "x"], ["c", "-", "12 %", "-"]] and table.numeric == [False, True, True, False]
    html = table._repr_html_()
    assert "<caption>of a &amp; b</caption>" in html and ">&lt;b&gt;</td>" in html
    assert '<td style="text-align:right">0.123</td>' in html
    assert repr(table).splitlines() == ["of a & b", "row    R@1   R@5  note", "<b>  0.123     -  x", "c        -  12 %  -"]
    with pytest.raises(ValueError, match="row 1 has 1 cells under a head of 2 columns"):
        plot.table(["a", "b"], [[1, 2], [3]])


def test_an_empty_table_has_a_head():
    assert repr(plot.table(["a", "b"], [])) == "a  b"


def test_failed_claims_stand_out():
    claims = [{"statement": "it learns", "threshold": ">= 0.5", "measured": 0.75, "verdict": "holds"},
              {"statement": "it generalises", "threshold": ">= 0.5", "measured": None, "verdict": "failed"}]
    assert plot.claims_table(claims).rows == [["it learns", ">= 0.5", "0.75", "holds"], ["it generalises", ">= 0.5", "-", "FAILED"]]


def test_a_diagram_has_what_was_drawn():
    diagram = plot.Diagram(6, 2)
    a, c = diagram.box(1, 1, "CNN"), diagram.box(1, 0.1, "x")
    b = diagram.box(4, 1, "a long name\nof a layer that is too wide for its box")
    diagram.arrow(a, b, "(B, D)")
    diagram.arrow(c, a, "(B, 3, H, W)")
    diagram.arrow(b, a, "back", bend=0.4)
    assert a.edge(b) == pytest.approx((1.7, 1)) and b.edge(a) == pytest.approx((3.3, 1)) and c.edge(a) == pytest.approx((1, 0.4))
    texts = {text.get_text() for text in diagram.axes.texts}
    assert {"CNN", "(B, D)", "(B, 3, H, W)", "back", "x"} < texts and not overlaps(diagram.figure)
    with pytest.raises(ValueError, match="at most 10"):
        plot.Diagram(11, 2)
