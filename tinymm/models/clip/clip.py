"""CLIP (Radford et al. 2021): which picture belongs to which text.

    I_e = picture tower (N, E), T_e = text tower (N, E), both of length 1        logits = e^t I_e T_e^T

The picture tower is a ResNet or a Vision Transformer, the text tower a Transformer or a bag of words. Names
of parameters are those of the published models.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ... import functional as F
from ... import nn, serialization
from ...autograd import Tensor, get_default_dtype
from ...autograd.host import to_numpy
from ...backend.arrays import to_device
from ...backend.tuning import give_back
from ...nn.linear import empty
from ...ops.checks import as_tensor
from ...weights import one_precision, read_clip
from .cbow import mean_of_words
from .contrastive_loss import INITIAL_T
from .end_of_text import end_of_text
from .modified_resnet import ModifiedResNet
from .transformer import Transformer
from .vision_transformer import VisionTransformer

TEXT_ENCODERS = ("transformer", "cbow")


class CLIP(nn.Module):
    """Two towers and a temperature.

    Args:
        embed_dim: E, features of the common space.
        image_resolution: R, pixels a side.
        vision_layers: blocks of the Vision Transformer; four numbers of blocks for the ResNet.
        vision_width: features of a Vision Transformer's token, or the ResNet's channels after its stem.
        vision_patch_size: pixels a side of a patch; None with a ResNet.
        context_length: the longest text, with its start and end.
        vocab_size: number of tokens.
        transformer_width: features D of a text's token.
        transformer_heads, transformer_layers: of the text's Transformer; not used by "cbow".
        text_encoder: "transformer", or "cbow" for the mean of the embeddings of a text's words, without their
            order.
        hidden_act: "quick_gelu" as in the published models, or "gelu".
        vision_heads: heads of the picture tower's attention; by default one for 64 features.
        eos_token_id: the token at a text's end; None for the largest id, as in OpenAI's vocabulary.

    Attributes:
        visual: the picture tower; token_embedding, positional_embedding, transformer, ln_final,
            text_projection: the text tower.
        logit_scale: t (), the logarithm of the inverse temperature.
    """

    def __init__(self, embed_dim: int, image_resolution: int, vision_layers: int | Sequence[int], vision_width: int,
                 vision_patch_size: int | None, context_length: int, vocab_size: int, transformer_width: int,
                 transformer_heads: int, transformer_layers: int, *, text_encoder: str = "transformer",
                 hidden_act: str = "quick_gelu", vision_heads: int | None = None, eos_token_id: int | None = None):
        super().__init__()
        if text_encoder not in TEXT_ENCODERS:
            raise ValueError(f"CLIP: text_encoder={text_encoder!r}; choose from {TEXT_ENCODERS}")
        self.options = dict(
            embed_dim=embed_dim, image_resolution=image_resolution, vision_layers=vision_layers, vision_width=vision_width,
            vision_patch_size=vision_patch_size, context_length=context_length, vocab_size=vocab_size,
            transformer_width=transformer_width, transformer_heads=transformer_heads, transformer_layers=transformer_layers,
            text_encoder=text_encoder, hidden_act=hidden_act, vision_heads=vision_heads, eos_token_id=eos_token_id)
        self.context_length, self.vocab_size, self.eos_token_id = context_length, vocab_size, eos_token_id
        self.text_encoder = text_encoder
        if isinstance(vision_layers, Sequence):
            heads = vision_width * 32 // 64 if vision_heads is None else vision_heads
            self.visual: nn.Module = ModifiedResNet(vision_layers, embed_dim, heads, image_resolution, vision_width)
        elif vision_patch_size is None:
            raise ValueError("CLIP: a Vision Transformer needs vision_patch_size, the pixels a side of a patch")
        else:
            heads = vision_width // 64 if vision_heads is None else vision_heads
            self.visual = VisionTransformer(image_resolution, vision_patch_size, vision_width, vision_layers, heads, embed_dim,
                                            hidden_act)
        if text_encoder == "transformer":
            self.transformer = Transformer(transformer_width, transformer_layers, transformer_heads, True, hidden_act)
            self.positional_embedding = empty(context_length, transformer_width)
        self.token_embedding = nn.Embedding(vocab_size, transformer_width)
        self.ln_final = nn.LayerNorm(transformer_width)
        self.text_projection = empty(transformer_width, embed_dim)
        self.logit_scale = nn.Parameter(np.asarray(INITIAL_T, get_default_dtype()))
        self.initialize_parameters()

    def initialize_parameters(self) -> None:
        """Draw the start of a training: the text tower's weights, and the ResNet's last ones."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        if isinstance(self.visual, ModifiedResNet):
            self.visual.initialize_parameters()
        if self.text_encoder == "transformer":
            nn.init.normal_(self.positional_embedding, std=0.01)
            self.transformer.initialize_parameters()
        nn.init.normal_(self.text_projection, std=self.text_projection.shape[0]**-0.5)

    # ------------------------------------------------------------------ the towers

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the weights, to which pictures are cast."""
        return self.visual.conv1.weight.dtype

    def encode_image(self, image: Tensor) -> Tensor:
        """Pictures (N, 3, R, R) -> features (N, E), not normalised.

        Raises:
            ValueError: pictures of another shape.
            TypeError: no Tensor.
        """
        side = self.visual.input_resolution
        as_tensor("CLIP.encode_image", "image", image)
        if image.ndim != 4 or image.shape[1:] != (3, side, side):
            raise ValueError(f"CLIP.encode_image: pictures of shape {image.shape}; it takes (N, 3, {side}, {side}), pictures "
                             "resized and cropped to that")
        return self.visual(image.to(dtype=self.dtype))

    def text_features(self, text: Tensor) -> Tensor:
        """T_f (N, D), before the projection into the common space.

        Args:
            text: (N, L) integers, L at most ``context_length``: start, words, end, then anything.

        Raises:
            ValueError: texts of another shape, or too long.
            TypeError: no Tensor, or not integers.
        """
        as_tensor("CLIP.encode_text", "text", text)
        if text.ndim != 2 or not 0 < text.shape[1] <= self.context_length:
            raise ValueError(f"CLIP.encode_text: texts of shape {text.shape}; it takes (N, L) with L from 1 to context_length="
                             f"{self.context_length}; cut longer texts")
        if text.dtype.kind not in "iu":
            raise TypeError(f"CLIP.encode_text: texts of {text.dtype}; it takes the integers that a tokenizer gives")
        end = end_of_text(to_numpy(text), self.eos_token_id)                 # (N,)
        length = int(end.max()) + 1 if len(end) else 1
        x = self.token_embedding(text[:, :length])                           # (N, L, D): no text sees what comes after its end
        if self.text_encoder == "cbow":
            return self.ln_final(mean_of_words(x, end))
        x = (x + self.positional_embedding[:length]).permute(1, 0, 2)        # (L, N, D)
        x = self.transformer(x)
        last = Tensor(to_device(end, x.device)), Tensor(to_device(np.arange(len(end)), x.device))
        return self.ln_final(x[last])

    def encode_text(self, text: Tensor) -> Tensor:
        """Texts (N, L) -> features (N, E), not normalised; see ``text_features``."""
        return self.text_features(text) @ self.text_projection

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """How well each picture and each text fit.

        Args:
            image: (N, 3, R, R).
            text: (M, L) integers.

        Returns:
            logits_per_image (N, M), e^t times the cosines; and logits_per_text (M, N), the same transposed.
        """
        I_e = F.normalize(self.encode_image(image), dim=1)                   # (N, E)
        T_e = F.normalize(self.encode_text(text), dim=1)                     # (M, E)
        logits_per_image = F.exp(self.logit_scale) * (I_e @ T_e.T)
        return logits_per_image, logits_per_image.T

    # ------------------------------------------------------------------ files

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike, **options) -> "CLIP":
        """A model from a published checkpoint, or from what ``save_pretrained`` wrote.

        Args:
            path: a folder in Hugging Face's layout (config.json and model.safetensors), or a safetensors file
                with OpenAI's names, from whose shapes the architecture follows.
            options: arguments of CLIP that the file does not tell, or tells wrongly: a file with OpenAI's
                names says nothing of ``hidden_act``, nor of heads (one for 64 features, as in all that OpenAI
                published).

        Returns:
            The model, ready to be used (``eval()``); float32, or float64 if the file is. Half precision
            becomes float32.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file that is damaged, or a tensor that is missing, left over or of another shape;
                the message names the file, the tensor and the shape.
        """
        file, found, state = read_clip(path)
        model = nn.utils.skip_init(cls, **{**found, **options})
        state = one_precision(state)
        try:
            model.load_state_dict(state, assign=True)
        except ValueError as error:
            raise ValueError(f"CLIP.from_pretrained: {file} does not fit the model: {error}") from None
        del state
        give_back()   # the parts of joined tensors
        return model.eval()

    def save_pretrained(self, path: str | os.PathLike) -> None:
        """Write one safetensors file with OpenAI's names, and the arguments of the model in its header.

        Args:
            path: file name, by convention ending in ".safetensors".
        """
        serialization.save({**self.state_dict(), "options": self.options}, path)
