"""Floor 4: the layouts of published checkpoints, as dicts of arrays with our names; nothing here knows Modules."""

from .clip_checkpoint import read_clip
from .clip_layouts import hugging_face_options, hugging_face_to_openai, openai_options
from .weights_folder import read_weights

__all__ = ["hugging_face_options", "hugging_face_to_openai", "openai_options", "read_clip", "read_weights"]
