"""Floor 4: figures. Every function returns a matplotlib Figure and leaves pyplot's global state alone.

``import tinymm`` leaves this room, which imports matplotlib, until ``tinymm.plot`` is first asked for.
"""

from .attended_text import attended_text
from .attention import attention_pair, attention_words, spread_attention
from .beam_tree import beam_tree
from .captions import caption_grid
from .charts import bars, heatmap
from .curves import loss_curves, moving_average
from .diagram import Diagram
from .intervals import intervals
from .levels import caption_columns, stacked_bars
from .notebook import claims_table, picture, table
from .picture_table import picture_table
from .regions import coloured_sentence, described_boxes, draw_boxes
from .style import COLORS, RIGHT, WRONG

__all__ = ["attended_text", "attention_words", "attention_pair", "spread_attention", "caption_grid", "loss_curves",
           "moving_average", "bars", "intervals", "heatmap", "beam_tree", "caption_columns", "stacked_bars", "Diagram",
           "draw_boxes", "coloured_sentence", "described_boxes", "picture_table", "picture", "table", "claims_table", "COLORS",
           "RIGHT", "WRONG"]
