"""Networks that read clips: a CNN on every frame and what stands behind it, how clips reach it, and its answer for a whole clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd import Tensor, no_grad
from ...backend.random import stream
from ...data.clip_windows import LENGTH, window_starts
from ...data.flow_pictures import centred
from ...data.worlds.tracked_clips import TrackedClips
from ...models.frame_encoder import FrameEncoder
from ...nn import init
from ...nn.chunks import array_in_chunks

CHUNK = 64                       # clips read at a time in a test
STREAMS = ("RGB", "Flow")


class ClipNetwork(nn.Module):
    """phi_V on every frame, and what reads it: a softmax of its own for each frame, or a recurrent network.

    Args:
        encoder: phi_V.
        layer: "fc6" or "fc7", which is read.
        head: (T, B, features) -> (T, B, classes).
    """

    def __init__(self, encoder: FrameEncoder, layer: str, head: nn.Module):
        super().__init__()
        self.encoder, self.layer, self.head = encoder, layer, head

    def forward(self, x: Tensor) -> Tensor:
        """Clips (T, B, C, H, W) -> logits (T, B, classes)."""
        return self.head(self.encoder.of_clips(x, self.layer))


def as_input(name: str, clips: np.ndarray) -> np.ndarray:
    """Pictures (uint8) of "RGB" or "Flow" as a network reads them, float32 of about one unit."""
    return centred(clips) if name == "Flow" else clips.astype(np.float32) / 255


def time_first(clips: np.ndarray) -> np.ndarray:
    """(B, T, ...) -> (T, B, ...)."""
    return np.ascontiguousarray(clips.swapaxes(0, 1))


def every_step(logits: Tensor, labels: Tensor) -> Tensor:
    """-log P(y_t = label), the mean over steps and clips: every step is trained on the clip's label.

    Args:
        logits: (T, B, C).
        labels: (B,).
    """
    T, B, _ = logits.shape
    return F.cross_entropy(logits.flatten(0, 1), labels[None].expand(T, B).flatten())


def step_probabilities(network: nn.Module, clips: np.ndarray, read: Callable[[np.ndarray], np.ndarray],
                       device: str = "cpu") -> np.ndarray:
    """P(y_t = c) of clips (N, T, ...), (N, T, C), in evaluation; ``read`` makes floats of some of them."""
    was = network.training
    network.eval()
    found = array_in_chunks(lambda x: network(x.transpose(0, 1)).softmax(-1).transpose(0, 1),
                            lambda rows: read(clips[rows.start:rows.stop]), len(clips), CHUNK, device)
    network.train(was)
    return found


def clip_probabilities(network: nn.Module, clips: np.ndarray, read: Callable[[np.ndarray], np.ndarray],
                       device: str = "cpu") -> np.ndarray:
    """P(y = c) of clips (N, n, ...), (N, C): probabilities averaged over the steps of a window, and over the windows."""
    starts, times = np.unique(window_starts(clips.shape[1]), return_counts=True)   # the last window is there twice, or more
    return np.average([step_probabilities(network, clips[:, start:start + LENGTH], read, device).mean(1) for start in starts], 0,
                      times)


def fused(rgb: np.ndarray, flow: np.ndarray, weight: float) -> np.ndarray:
    """weight P_RGB + (1 - weight) P_flow: probabilities are averaged, not logits."""
    return weight * rgb + (1 - weight) * flow


def shuffled(clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clips (N, T, ...) with the frames of each in an order of its own."""
    order = rng.permuted(np.tile(np.arange(clips.shape[1]), (len(clips), 1)), axis=1)   # (N, T)
    return clips[np.arange(len(clips))[:, None], order]


def clips_of(world: TrackedClips, name: str) -> np.ndarray:
    """The clips of "RGB", 17 frames, or of "Flow", 16 pictures."""
    return world.rgb if name == "RGB" else world.flow


def random_window(clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A window (B, 16, ...) from a random place of each of the clips (B, n, ...)."""
    starts = rng.integers(clips.shape[1] - LENGTH + 1, size=len(clips))
    return np.stack([clip[start:start + LENGTH] for clip, start in zip(clips, starts)])


def window_reader(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """What reads clips of "RGB" or "Flow" in training: a random window of each, drawn from the library's stream "windows"."""
    return lambda clips: as_input(name, random_window(clips, stream("windows").generator))


def copy_of(encoder: FrameEncoder, dropout: float = 0.0) -> FrameEncoder:
    """A CNN with the same weights."""
    copy = FrameEncoder(encoder.conv.in_channels, encoder.picture_size, dropout=dropout)
    copy.load_state_dict(encoder.state_dict())
    return copy


def small_linear(features: int, classes: int) -> nn.Linear:
    """A new last layer, with weights of deviation .001: at first all classes are as likely."""
    layer = nn.Linear(features, classes)
    with no_grad():
        init.normal_(layer.weight, std=0.001)
        init.zeros_(layer.bias)
    return layer
