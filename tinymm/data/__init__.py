"""Floor 4: datasets and loaders."""

from .collate import default_collate
from .readers.captions import CaptionDataset, CaptionedImage
from .readers.coco_captions import read_coco_captions
from .dataset import Dataset, Subset, TensorDataset, random_split
from .readers.flickr import read_flickr8k, read_flickr30k
from .readers.images import read_picture
from .readers.karpathy import read_karpathy
from .loader import DataLoader
from .readers.pascal_sentences import read_pascal_sentences
from .readers.sbu import read_sbu

__all__ = ["Dataset", "TensorDataset", "Subset", "random_split", "DataLoader", "default_collate", "CaptionDataset",
           "CaptionedImage", "read_coco_captions", "read_karpathy", "read_flickr8k", "read_flickr30k",
           "read_pascal_sentences", "read_sbu", "read_picture"]
