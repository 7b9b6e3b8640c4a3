"""The solutions and the student versions of the exercises as text, and copies with changes.

The tests of the checker itself, whatever the exercise, use number 4: NAME, SOLUTION, STUDENT, FUNCTIONS.
"""

import dataclasses
import functools
import importlib.util
import pathlib

FOLDER = pathlib.Path(__file__).parent.parent.parent / "lectures" / "homework"
HANDOUTS = FOLDER.parent.parent / "tinymm" / "homework" / "handouts"


@dataclasses.dataclass(frozen=True)
class Source:
    """The two files of an exercise, and the functions to write in their order."""

    name: str
    functions: tuple[str, ...]

    @property
    def number(self) -> str:
        return self.name[:2]

    @functools.cached_property
    def solution(self) -> str:
        return (FOLDER / "solutions" / f"{self.name}.py").read_text(encoding="utf-8")

    @functools.cached_property
    def student(self) -> str:
        return (HANDOUTS / f"{self.name}.py").read_text(encoding="utf-8")


EXERCISES = {source.number: source for source in (
    Source("00_autograd", ("softmax_forward", "softmax_backward", "explain_bug")),
    Source("01_lrcn", ("lstm_step_with_cont_forward", "lstm_step_with_cont_backward", "window_average", "star_crf_marginals",
                       "rank_metrics")),
    Source("02_show_and_tell", ("lstm_step_forward", "lstm_step_backward", "caption_loss_forward", "caption_loss_backward",
                                "image_then_words_forward", "image_then_words_backward", "beam_step")),
    Source("03_visual_semantic_alignments", ("image_sentence_score_forward", "image_sentence_score_backward", "align",
                                             "ranking_loss_forward", "ranking_loss_backward", "bidirectional_encoder_forward",
                                             "bidirectional_encoder_backward")),
    Source("04_show_attend_and_tell", ("soft_attention_forward", "soft_attention_backward", "doubly_stochastic_forward",
                                       "doubly_stochastic_backward", "hard_attention_forward", "hard_attention_backward",
                                       "moving_average_baseline")),
    Source("05_layer_normalization", ("layer_norm_forward", "layer_norm_backward", "layer_norm_lstm_step_forward",
                                      "layer_norm_lstm_step_backward", "batch_norm", "order_violation_forward",
                                      "order_violation_backward")),
    Source("07_text_to_image_gan", ("discriminator_loss_forward", "discriminator_loss_backward", "joint_embedding_loss_forward",
                                    "joint_embedding_loss_backward", "conditioning_augmentation_forward",
                                    "conditioning_augmentation_backward", "conv_transpose2d_forward", "conv_transpose2d_backward")),
    Source("08_clip", ("clip_loss_forward", "clip_loss_backward", "attention_pool_forward", "attention_pool_backward", "zero_shot",
                       "bpe_merge")),
    Source("09_dalle", ("gumbel_softmax_forward", "gumbel_softmax_backward", "logit_laplace_nll_forward",
                        "logit_laplace_nll_backward", "dalle_masks", "weighted_loss_forward", "weighted_loss_backward")))}

NAME, SOLUTION, STUDENT = EXERCISES["04"].name, EXERCISES["04"].solution, EXERCISES["04"].student
FUNCTIONS = list(EXERCISES["04"].functions)


def changed(*pairs: tuple[str, str], source: str = SOLUTION) -> str:
    """A solution with texts replaced, each of which must occur once."""
    for old, new in pairs:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
        source = source.replace(old, new)
    return source


def handed_in(folder: pathlib.Path, source: str, name: str = "mutant.py") -> pathlib.Path:
    """A file with this text."""
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


def module(path: pathlib.Path):
    """A file of lectures/homework as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def namespace(source: str, name: str = "cell") -> dict:
    """What a running notebook holds after it executed ``source``."""
    names: dict = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), names)
    return names
