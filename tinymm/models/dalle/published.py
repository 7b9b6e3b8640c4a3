"""The dVAE from published weights."""

from __future__ import annotations

import os
from typing import TypeVar

from ... import nn
from ...weights import dvae_state, read_dvae

M = TypeVar("M", bound=nn.Module)


class NoDecoder(nn.Module):
    """Stands where a decoder would, in a dVAE whose file has the encoder only.

    Args:
        file: that was read, for messages.
    """

    def __init__(self, file: str | os.PathLike):
        super().__init__()
        self.file = os.fspath(file)

    def _refuse(self, *args):
        raise RuntimeError(f"DVAE: {self.file} holds an encoder only, as FLAVA's codebook does, so its tokens can be made and not "
                           "decoded; read OpenAI's decoder.safetensors beside encoder.safetensors for pictures")

    forward = embed = _refuse

    @property
    def out_channels(self) -> int:
        """None to be told."""
        return self._refuse()


def read_published(cls: type[M], path: str | os.PathLike) -> M:
    """``DVAE.from_pretrained``, whose docstring says what it reads.

    Args:
        cls: DVAE.
        path: see ``weights.read_dvae``.

    Returns:
        The model, ready to be used.

    Raises:
        FileNotFoundError, ValueError: as ``read_dvae`` and ``dvae_state``.
    """
    options, parts = read_dvae(path)
    model = nn.utils.skip_init(cls, **options)
    if "decoder" not in parts:
        model.decoder = NoDecoder(parts["encoder"][0])
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    model.load_state_dict(dvae_state(parts, shapes, options), assign=True)
    return model.eval()
