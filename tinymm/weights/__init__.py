"""Floor 4: the layouts of published checkpoints, as dicts of arrays with our names; nothing here knows Modules."""

from .clip_checkpoint import read_clip
from .clip_layouts import hugging_face_options, hugging_face_to_openai, openai_options
from .dvae_checkpoint import dvae_state, read_dvae
from .weights_folder import one_precision, read_weights

__all__ = ["dvae_state", "hugging_face_options", "hugging_face_to_openai", "one_precision", "openai_options", "read_clip",
           "read_dvae", "read_weights"]
