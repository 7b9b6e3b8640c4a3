"""Checkpoints of CLIP to be read: shapes by OpenAI's names, and states and configurations in Hugging Face's layout.

Written from the names in published files, apart from the code that reads them.
"""

import numpy as np


def zeros(shapes):
    """Arrays of those shapes that take no memory."""
    return {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}


def transformer_shapes(prefix, width, layers):
    shapes = {}
    for i in range(layers):
        block = {"attn.in_proj_weight": (3 * width, width), "attn.in_proj_bias": (3 * width,),
                 "attn.out_proj.weight": (width, width), "attn.out_proj.bias": (width,), "ln_1.weight": (width,),
                 "ln_1.bias": (width,), "mlp.c_fc.weight": (4 * width, width), "mlp.c_fc.bias": (4 * width,),
                 "mlp.c_proj.weight": (width, 4 * width), "mlp.c_proj.bias": (width,), "ln_2.weight": (width,),
                 "ln_2.bias": (width,)}
        shapes |= {f"{prefix}transformer.resblocks.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def openai_shapes(embed_dim, image_resolution, vision_layers, vision_width, vision_patch_size, context_length, vocab_size,
                  transformer_width, transformer_heads, transformer_layers):
    """Name -> shape; of a ResNet's picture tower only what its architecture follows from."""
    D, W = transformer_width, vision_width
    shapes = {"logit_scale": (), "token_embedding.weight": (vocab_size, D), "positional_embedding": (context_length, D),
              "ln_final.weight": (D,), "ln_final.bias": (D,), "text_projection": (D, embed_dim)}
    shapes |= transformer_shapes("", D, transformer_layers)
    if isinstance(vision_layers, int):
        shapes |= {"visual.class_embedding": (W,), "visual.conv1.weight": (W, 3, vision_patch_size, vision_patch_size),
                   "visual.positional_embedding": ((image_resolution // vision_patch_size)**2 + 1, W),
                   "visual.ln_pre.weight": (W,), "visual.ln_pre.bias": (W,), "visual.ln_post.weight": (W,),
                   "visual.ln_post.bias": (W,), "visual.proj": (W, embed_dim)}
        return shapes | transformer_shapes("visual.", W, vision_layers)
    shapes |= {"visual.conv1.weight": (W // 2, 3, 3, 3), "visual.layer1.0.conv1.weight": (W, W, 1, 1),
               "visual.attnpool.positional_embedding": ((image_resolution // 32)**2 + 1, 32 * W)}
    for stage, blocks in enumerate(vision_layers, 1):
        shapes |= {f"visual.layer{stage}.{i}.bn1.weight": (W * 2**(stage - 1),) for i in range(blocks)}
    return shapes


def hugging_face_config(options, eos_token_id=2):
    """config.json of that model."""
    common = dict(hidden_act=options["hidden_act"], layer_norm_eps=1e-5)
    text, vision = options["transformer_width"], options["vision_width"]
    return dict(
        model_type="clip", projection_dim=options["embed_dim"], architectures=["CLIPModel"],
        text_config=dict(common, hidden_size=text, intermediate_size=4 * text, vocab_size=options["vocab_size"],
                         num_hidden_layers=options["transformer_layers"], num_attention_heads=options["transformer_heads"],
                         max_position_embeddings=options["context_length"], eos_token_id=eos_token_id),
        vision_config=dict(common, hidden_size=vision, intermediate_size=4 * vision, num_hidden_layers=options["vision_layers"],
                           num_attention_heads=options["vision_heads"], image_size=options["image_resolution"],
                           patch_size=options["vision_patch_size"], num_channels=3))


def hugging_face_state(options, seed=0, dtype=np.float32):
    """model.safetensors of that model, every array of its own values."""
    E, D, W, p = (options[key] for key in ("embed_dim", "transformer_width", "vision_width", "vision_patch_size"))
    places = (options["image_resolution"] // p)**2 + 1
    shapes = {"logit_scale": (), "text_projection.weight": (E, D), "visual_projection.weight": (E, W),
              "text_model.embeddings.token_embedding.weight": (options["vocab_size"], D),
              "text_model.embeddings.position_embedding.weight": (options["context_length"], D),
              "vision_model.embeddings.class_embedding": (W,), "vision_model.embeddings.patch_embedding.weight": (W, 3, p, p),
              "vision_model.embeddings.position_embedding.weight": (places, W)}
    layers = {"text_model.final_layer_norm": (D,), "vision_model.pre_layrnorm": (W,), "vision_model.post_layernorm": (W,)}
    for tower, width, n in (("text_model", D, options["transformer_layers"]), ("vision_model", W, options["vision_layers"])):
        for i in range(n):
            block = {**{f"self_attn.{part}_proj": (width, width) for part in ("q", "k", "v", "out")}, "layer_norm1": (width,),
                     "layer_norm2": (width,), "mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
            layers |= {f"{tower}.encoder.layers.{i}.{name}": shape for name, shape in block.items()}
    for name, shape in layers.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    rng = np.random.default_rng(seed)
    return {key: np.asarray(rng.normal(size=shape) * 0.3, dtype) for key, shape in shapes.items()}
