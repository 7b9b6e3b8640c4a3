"""Two published layouts of CLIP's weights, as the arguments of our model and arrays with its names.

*OpenAI's* names are ours. Its files say nothing of the architecture: it follows from the shapes.

*Hugging Face's* have other names, queries, keys and values apart, and the two projections transposed; a configuration goes
with them. Two of its habits: older files hold ``position_ids``, which are no weights; and configurations from before July 2023
give the end-of-text token as 2, by mistake, and mean the largest id.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

HEAD = 64             # features of a head in all models that OpenAI published
LEGACY_EOS = 2
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")   # numbers that OpenAI's archives keep among the weights

# what a configuration leaves out has the value that transformers' CLIPConfig gives it
TEXT_DEFAULTS = dict(vocab_size=49408, hidden_size=512, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=8,
                     max_position_embeddings=77, hidden_act="quick_gelu", layer_norm_eps=1e-5, eos_token_id=49407)
VISION_DEFAULTS = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=224,
                       patch_size=32, num_channels=3, hidden_act="quick_gelu", layer_norm_eps=1e-5)


# ---------------------------------------------------------------------- OpenAI

def openai_options(arrays: dict[str, np.ndarray], file: str = "the state") -> dict:
    """The arguments of CLIP that shapes tell, as OpenAI's ``build_model`` reads them.

    Args:
        arrays: name -> array, with OpenAI's names.
        file: where they come from, for messages.

    Returns:
        embed_dim, image_resolution, vision_layers, vision_width, vision_patch_size, context_length, vocab_size,
        transformer_width, transformer_heads and transformer_layers.

    Raises:
        ValueError: a tensor that is missing, or of another number of axes, or positions that fill no square.
    """
    def shape(key: str, *axes: str) -> tuple[int, ...]:
        found = arrays.get(key)
        if found is None or found.ndim != len(axes):
            state = "missing" if found is None else f"of shape {found.shape}"
            raise ValueError(f"{file}: {key} is {state}; OpenAI's layout wants ({', '.join(axes)})")
        return found.shape

    def grid(key: str) -> int:
        positions = shape(key, "1 + side^2", "width")[0]
        side = math.isqrt(max(positions - 1, 0))
        if side**2 + 1 != positions or not side:
            raise ValueError(f"{file}: {key} has {positions} positions; OpenAI's layout wants 1 + side^2 of them, for a square")
        return side

    if "visual.layer1.0.conv1.weight" in arrays:
        width = shape("visual.layer1.0.conv1.weight", "width", "channels", "1", "1")[0]
        patch, resolution = None, 32 * grid("visual.attnpool.positional_embedding")
        layers: int | tuple[int, ...] = tuple(_count(arrays, f"visual.layer{stage}.") for stage in (1, 2, 3, 4))
    else:
        width, _, _, patch = shape("visual.conv1.weight", "width", "3", "patch", "patch")
        resolution = patch * grid("visual.positional_embedding")
        layers = _count(arrays, "visual.transformer.resblocks.")
    text_width = shape("ln_final.weight", "width")[0]
    return dict(embed_dim=shape("text_projection", "width", "embed_dim")[1], image_resolution=resolution, vision_layers=layers,
                vision_width=width, vision_patch_size=patch,
                context_length=shape("positional_embedding", "context_length", "width")[0],
                vocab_size=shape("token_embedding.weight", "vocab_size", "width")[0], transformer_width=text_width,
                transformer_heads=max(text_width // HEAD, 1), transformer_layers=_count(arrays, "transformer.resblocks."))


def _count(arrays: dict, prefix: str) -> int:
    """How many different parts follow ``prefix`` in the names."""
    return len({key[len(prefix):].partition(".")[0] for key in arrays if key.startswith(prefix)})


# ---------------------------------------------------------------------- Hugging Face

def hugging_face_options(config: dict, file: str = "config.json") -> dict:
    """The arguments of CLIP from a CLIPConfig.

    Args:
        config: what config.json says.
        file: its name, for messages.

    Returns:
        All arguments of CLIP but ``text_encoder``.

    Raises:
        ValueError: no configuration of CLIP, or something in it that our model does not have.
    """
    if config.get("model_type", "clip") != "clip":
        raise ValueError(f"{file}: model_type is {config['model_type']!r}; expected 'clip'")
    text, vision = (_part(config, name, defaults, file) for name, defaults in
                    (("text_config", TEXT_DEFAULTS), ("vision_config", VISION_DEFAULTS)))
    wanted = dict(text_config=dict(intermediate_size=4 * text["hidden_size"], layer_norm_eps=1e-5),
                  vision_config=dict(intermediate_size=4 * vision["hidden_size"], layer_norm_eps=1e-5, num_channels=3,
                                     hidden_act=text["hidden_act"]))
    for name, part in (("text_config", text), ("vision_config", vision)):
        for key, value in wanted[name].items():
            if part[key] != value:
                raise ValueError(f"{file}: {name}.{key} is {part[key]!r}; CLIP here has {value!r}")
    return dict(embed_dim=config.get("projection_dim", 512), image_resolution=vision["image_size"],
                vision_layers=vision["num_hidden_layers"], vision_width=vision["hidden_size"],
                vision_patch_size=vision["patch_size"], context_length=text["max_position_embeddings"],
                vocab_size=text["vocab_size"], transformer_width=text["hidden_size"],
                transformer_heads=text["num_attention_heads"], transformer_layers=text["num_hidden_layers"],
                hidden_act=text["hidden_act"], vision_heads=vision["num_attention_heads"],
                eos_token_id=None if text["eos_token_id"] == LEGACY_EOS else text["eos_token_id"])


def _part(config: dict, name: str, defaults: dict, file: str) -> dict:
    """One tower's configuration; very old files say it twice, and ``*_dict`` counts."""
    parts = [config.get(key) or {} for key in (name, f"{name}_dict")]
    if wrong := next((part for part in parts if not isinstance(part, dict)), None):
        raise ValueError(f"{file}: {name} is {wrong!r}; expected an object")
    said = {**parts[0], **parts[1]}
    part = {key: said.get(key, value) for key, value in defaults.items()}
    for key, default in defaults.items():
        if isinstance(default, int) and (not isinstance(part[key], int) or part[key] < 0):
            raise ValueError(f"{file}: {name}.{key} is {part[key]!r}; expected an integer")
    return part


def hugging_face_to_openai(arrays: dict[str, np.ndarray], options: dict, file: str = "the state") -> dict[str, np.ndarray]:
    """The weights under OpenAI's names.

    Args:
        arrays: name -> array, with the names of transformers' CLIPModel.
        options: from ``hugging_face_options``.
        file: where the arrays come from, for messages.

    Returns:
        name -> array.

    Raises:
        ValueError: a tensor that is missing, left over or of another shape.
    """
    state, read = {}, set()
    for new, old, shape, transpose in _pairs(options):
        parts = []
        for key in old:
            if key not in arrays or arrays[key].shape != shape:
                found = f"of shape {arrays[key].shape}" if key in arrays else "missing"
                raise ValueError(f"{file}: {key} is {found}; this configuration of Hugging Face's layout wants {shape}")
            parts.append(arrays[key].T if transpose else arrays[key])
        state[new] = np.concatenate(parts) if len(parts) > 1 else parts[0]
        read.update(old)
    left = [key for key in arrays if key not in read and not key.endswith(".position_ids")]
    if left:
        raise ValueError(f"{file}: {len(left)} tensors that this configuration of Hugging Face's layout does not have: "
                         f"{', '.join(left[:5])}")
    return state


def _pairs(options: dict) -> Iterator[tuple[str, list[str], tuple, bool]]:
    """(our name, names in Hugging Face's layout that make it, shape of each, whether it is transposed)."""
    E, D, W = (options[key] for key in ("embed_dim", "transformer_width", "vision_width"))
    p, places = options["vision_patch_size"], (options["image_resolution"] // options["vision_patch_size"])**2 + 1
    one = {"logit_scale": ("logit_scale", ()),
           "token_embedding.weight": ("text_model.embeddings.token_embedding.weight", (options["vocab_size"], D)),
           "positional_embedding": ("text_model.embeddings.position_embedding.weight", (options["context_length"], D)),
           "visual.class_embedding": ("vision_model.embeddings.class_embedding", (W,)),
           "visual.conv1.weight": ("vision_model.embeddings.patch_embedding.weight", (W, 3, p, p)),
           "visual.positional_embedding": ("vision_model.embeddings.position_embedding.weight", (places, W))}
    for new, (old, shape) in one.items():
        yield new, [old], shape, False
    yield "text_projection", ["text_projection.weight"], (E, D), True
    yield "visual.proj", ["visual_projection.weight"], (E, W), True
    for new, old, width in (("ln_final", "text_model.final_layer_norm", D), ("visual.ln_pre", "vision_model.pre_layrnorm", W),
                            ("visual.ln_post", "vision_model.post_layernorm", W)):   # layrnorm: their spelling
        yield from _both(new, old, width)
    for prefix, tower, width, layers in (("", "text_model", D, options["transformer_layers"]),
                                         ("visual.", "vision_model", W, options["vision_layers"])):
        for i in range(layers):
            yield from _block(f"{prefix}transformer.resblocks.{i}", f"{tower}.encoder.layers.{i}", width)


def _block(new: str, old: str, width: int):
    """One block of a Transformer."""
    for kind, shape in (("weight", (width, width)), ("bias", (width,))):
        yield f"{new}.attn.in_proj_{kind}", [f"{old}.self_attn.{part}_proj.{kind}" for part in "qkv"], shape, False
    yield from _both(f"{new}.attn.out_proj", f"{old}.self_attn.out_proj", width, width)
    yield from _both(f"{new}.mlp.c_fc", f"{old}.mlp.fc1", 4 * width, width)
    yield from _both(f"{new}.mlp.c_proj", f"{old}.mlp.fc2", width, 4 * width)
    for number in (1, 2):
        yield from _both(f"{new}.ln_{number}", f"{old}.layer_norm{number}", width)


def _both(new: str, old: str, *shape: int):
    """The weight of that shape, and its bias."""
    yield f"{new}.weight", [f"{old}.weight"], shape, False
    yield f"{new}.bias", [f"{old}.bias"], shape[:1], False
