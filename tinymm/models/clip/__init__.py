"""CLIP (Radford et al. 2021): two towers, one for pictures and one for texts, that meet in one space.

``clip.py`` puts the parts together, ``contrastive_loss.py`` has the lecture's pseudo-code; parameters have
the names of the published checkpoints, which ``CLIP.from_pretrained`` reads.
"""

from .clip import CLIP
from .contrastive_loss import clip_loss, clip_temperature_, contrastive_loss
from .modified_resnet import ModifiedResNet
from .transformer import QuickGELU, Transformer
from .vision_transformer import VisionTransformer
from .zero_shot import zero_shot, zero_shot_weights

__all__ = ["CLIP", "ModifiedResNet", "QuickGELU", "Transformer", "VisionTransformer", "clip_loss", "clip_temperature_",
           "contrastive_loss", "zero_shot", "zero_shot_weights"]
