"""The systems of lecture 8, untrained: CLIP with each of its towers, and Visual N-Grams with the same ResNet."""

from __future__ import annotations

import dataclasses

from ...data.worlds.web_pictures import CANVAS
from ...models.clip import CLIP
from ...models.ngram_pictures import NGramPictures
from ...text.ngram_dictionary import NGramDictionary
from ...train import Trainer
from .data import CONTEXT
from .snapshots import Snapshots

EMBEDDING = 64
PATCHES = 8          # in a row of a Vision Transformer's picture
VIT = {"vision_layers": 3, "vision_width": 64, "vision_heads": 2}
LAYERS, WIDTH, HEADS = [1, 1, 1, 1], 16, 8   # of the ResNet
RESNET = {"vision_layers": LAYERS, "vision_width": WIDTH, "vision_patch_size": None, "vision_heads": HEADS}
TEXT = {"width": 64, "heads": 2, "layers": 2}


def build(variant: str, vocabulary: int, resolution: int = CANVAS, context: int = CONTEXT) -> CLIP:
    """The untrained model of a variant.

    Args:
        variant: of the lecture.
        vocabulary: number of tokens.
        resolution: pixels a side of a picture; a Vision Transformer has 8 x 8 patches of it.
        context: the longest text, with its start and end.
    """
    tower: dict = {**VIT, "vision_patch_size": resolution // PATCHES} if variant == "vit" else RESNET
    return CLIP(EMBEDDING, resolution, context_length=context, vocab_size=vocabulary, transformer_width=TEXT["width"],
                transformer_heads=TEXT["heads"], transformer_layers=TEXT["layers"],
                text_encoder="cbow" if variant == "cbow" else "transformer", **tower)


def build_ngrams(dictionary: NGramDictionary) -> NGramPictures:
    """The untrained model of phrases, with the picture tower that CLIP has in the variant ``resnet``."""
    return NGramPictures(dictionary, LAYERS, EMBEDDING, HEADS, CANVAS, WIDTH)


@dataclasses.dataclass
class Trained:
    """What the trainings of the lecture yield.

    Attributes:
        model: CLIP.
        trainer: of the model.
        snapshots: cosines of some pictures and texts, before the training and after each round.
        ngrams: Visual N-Grams; None where they are not compared.
        ngram_trainer: of the n-grams.
    """

    model: CLIP
    trainer: Trainer
    snapshots: Snapshots
    ngrams: NGramPictures | None = None
    ngram_trainer: Trainer | None = None
