"""Zero-shot classification (Radford et al. 2021, section 3.1): the classifier is what the text tower says of
the classes' names.

    w_c = mean over prompts of T_e(prompt with c), made of length 1        logits = e^t I_e . w_c

A linear classifier without bias, whose weights nobody trained. Prompts are averaged in the space of the
embeddings, each made of length 1 first (section 3.1.4), so many of them cost no more than one when pictures
are classified.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import functional as F
from ...autograd import Tensor, no_grad
from ...backend.arrays import to_device
from .clip import CLIP

PROMPT = "a photo of a {}."
ENSEMBLE = (PROMPT, "a picture of the {}.", "a close view of a {}.", "a {} seen from far away.", "a drawing of a {}.",
            "a dark photo of a {}.", "there is a {} here.")


def prompts_of(label: str, templates: Sequence[str]) -> list[str]:
    """Each template with the label in the place of its braces.

    Raises:
        ValueError: a template without ``{}``; no template.
    """
    if not templates:
        raise ValueError("zero_shot: there is no template; give at least one, such as 'a photo of a {}.'")
    for template in templates:
        if "{}" not in template:
            raise ValueError(f"zero_shot: the template {template!r} has no {{}} for the label to stand in")
    return [template.replace("{}", label) for template in templates]


def zero_shot_weights(model: CLIP, tokenizer, labels: Sequence[str], templates: Sequence[str] = (PROMPT,)) -> Tensor:
    """The classifier's weights, (C, E), each row of length 1.

    Args:
        model: CLIP, in evaluation.
        tokenizer: with ``tokenize(texts, context_length)`` -> (N, L) integers.
        labels: the C classes' names.
        templates: prompts, with ``{}`` where a name stands.

    Raises:
        ValueError: no label, a label twice, a template without ``{}``, or a label too long for the context.
    """
    labels = list(labels)
    if not labels or len(set(labels)) < len(labels):
        raise ValueError("zero_shot: there is no label" if not labels else
                         f"zero_shot: the label {next(w for w in labels if labels.count(w) > 1)!r} is there twice")
    texts = [prompt for label in labels for prompt in prompts_of(label, templates)]
    ids = np.asarray(tokenizer.tokenize(texts, model.context_length))
    with no_grad():
        T_e = F.normalize(model.encode_text(Tensor(to_device(ids, model.logit_scale.device))), dim=1)   # (C P, E)
        return F.normalize(T_e.reshape(len(labels), len(templates), -1).mean(1), dim=1)                 # (C, E)


def zero_shot(model: CLIP, image: Tensor, weights: Tensor) -> Tensor:
    """Logits (N, C): e^t times the cosine of each picture and each class.

    Args:
        model: CLIP, in evaluation.
        image: (N, 3, R, R), as ``tinymm.data.readers.clip_pictures`` gives them.
        weights: (C, E), from ``zero_shot_weights``.
    """
    with no_grad():
        return F.exp(model.logit_scale) * (F.normalize(model.encode_image(image), dim=1) @ weights.T)
