"""Lecture 1: its variants, and the studies behind them."""

import pytest

from tinymm.experiments import find
from tinymm.experiments.lecture_01.experiment import LongTermRecurrentConvolutionalNetworks
from tinymm.experiments.lecture_01.study import STUDIES, Study


def test_every_variant_has_its_study():
    assert find(1) is LongTermRecurrentConvolutionalNetworks
    assert list(LongTermRecurrentConvolutionalNetworks.variants) == list(STUDIES) and next(iter(STUDIES)) == "activity"


def test_a_study_says_what_is_not_written():
    study = Study("activity", "smoke", 0, "cpu", {})
    for call in (lambda: study.stages(dict), lambda: study.evaluate(None), lambda: study.claims({})):
        with pytest.raises(NotImplementedError, match="Study: .* is not written"):
            call()
    assert study.figures(None, {}) == {}
