"""Floor 3: nested state in safetensors files, ours and everybody's."""

from .safetensors_file import read_safetensors
from .state import load, read_options, save

__all__ = ["load", "read_options", "read_safetensors", "save"]
