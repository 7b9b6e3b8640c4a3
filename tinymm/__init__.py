"""tinymm: a deep-learning engine that can be read end to end, and the multimodal models built on it.

The rooms at the end are imported when they are first asked for: ``import tinymm`` is enough for ``tinymm.models.CLIP``.
"""

from typing import TYPE_CHECKING

from .backend.starting import watch_program as _watch_program

_watch_program()   # before the imports that take long

from .version import __version__

from . import functional as functional   # "as": for a static analyser a name is public where it is written twice (PEP 484)
from .autograd import *  # noqa: F403
from .autograd.creation import *  # noqa: F403
from .autograd.sampling import *  # noqa: F403
from .autograd.drawing import draw as draw
from .autograd.tensor import (bool_ as bool_, float16 as float16, float32 as float32, float64 as float64, int32 as int32,
                              int64 as int64, uint8 as uint8)
from .backend.lazy import lazily
from .backend.random import manual_seed as manual_seed, stream as stream
from .backend.threads import get_num_threads as get_num_threads, set_num_threads as set_num_threads
from .functional import *  # noqa: F403
from . import data as data, nn as nn, optim as optim
from .serialization import load as load, save as save

if TYPE_CHECKING:
    from . import decode, experiments, homework, metrics, models, plot, text, train, weights
else:
    __getattr__, __dir__ = lazily(__name__, globals(), {"": ["decode", "experiments", "homework", "metrics", "models", "plot",
                                                             "text", "train", "weights"]})
