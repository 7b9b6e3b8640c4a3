"""Floor 4: the training loop, and checkpoints that survive anything."""

from .checkpoint import load_checkpoint, save_checkpoint
from .trainer import CheckpointMismatch, Trainer

__all__ = ["CheckpointMismatch", "Trainer", "load_checkpoint", "save_checkpoint"]
