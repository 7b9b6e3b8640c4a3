"""Cosines of a few pictures and texts, taken on the way through a training."""

from __future__ import annotations

import numpy as np

from ... import functional as F
from ...autograd import Tensor, no_grad
from ...models.clip import CLIP
from ..clip_stage import pictures


class Snapshots:
    """The matrix of cosines of some pictures and texts, as the training goes on.

    Args:
        model: CLIP.
        images: (n, 3, R, R) uint8, or floats in [0, 1].
        ids: (n, L), their texts.

    Attributes:
        taken: one entry for each time, n x n lists of cosines.
    """

    def __init__(self, model: CLIP, images: np.ndarray, ids: np.ndarray):
        self.model, self.images, self.ids = model, images, ids
        self.taken: list[list[list[float]]] = []

    def take(self) -> None:
        """Add the present matrix."""
        was, device = self.model.training, self.model.logit_scale.device
        self.model.eval()
        with no_grad():
            I_e = F.normalize(self.model.encode_image(pictures(self.images).to(device)), dim=1)
            T_e = F.normalize(self.model.encode_text(Tensor(self.ids).to(device)), dim=1)
            self.taken.append((I_e @ T_e.T).cpu().numpy().astype(float).round(4).tolist())
        self.model.train(was)

    def state_dict(self) -> dict:
        return {"taken": self.taken}

    def load_state_dict(self, state: dict) -> None:
        self.taken = state["taken"]
