"""Floor 4: datasets and loaders."""

from .captions import CaptionDataset, CaptionedImage
from .coco_captions import read_coco_captions
from .dataset import Dataset, Subset, TensorDataset, random_split
from .flickr import read_flickr8k, read_flickr30k
from .images import read_picture
from .karpathy import read_karpathy
from .loader import DataLoader, default_collate
from .pascal_sentences import read_pascal_sentences
from .sbu import read_sbu

__all__ = ["Dataset", "TensorDataset", "Subset", "random_split", "DataLoader", "default_collate", "CaptionDataset",
           "CaptionedImage", "read_coco_captions", "read_karpathy", "read_flickr8k", "read_flickr30k",
           "read_pascal_sentences", "read_sbu", "read_picture"]
