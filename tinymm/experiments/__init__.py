"""Floor 6: what a lecture runs: data, training, evaluation, claims, figures."""

import importlib

LECTURES = {0: ("lecture_00", "Autograd"), 1: ("lecture_01", "LongTermRecurrentConvolutionalNetworks"),
            2: ("lecture_02", "ShowAndTell"), 3: ("lecture_03", "DeepVisualSemanticAlignments"),
            4: ("lecture_04", "ShowAttendAndTell"), 5: ("lecture_05", "LayerNormalization"),
            7: ("lecture_07", "TextToImage"), 8: ("lecture_08", "LearningFromText"),
            9: ("lecture_09", "ZeroShotTextToImage")}   # number -> (room, Experiment)


def find(number: int):
    """The Experiment class of a lecture.

    Raises:
        ValueError: there is none.
    """
    if number not in LECTURES:
        raise ValueError(f"there is no lecture {number}; there are {', '.join(map(str, sorted(LECTURES)))}")
    module, name = LECTURES[number]
    return getattr(importlib.import_module(f"{__name__}.{module}.experiment"), name)
