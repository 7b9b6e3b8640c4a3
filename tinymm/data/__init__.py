"""Floor 4: datasets and loaders.

A reader of published files is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from ..backend.lazy import lazily
from .collate import default_collate
from .dataset import Dataset, Subset, TensorDataset, random_split
from .loader import DataLoader

__all__ = ["Dataset", "TensorDataset", "Subset", "random_split", "DataLoader", "default_collate", "CaptionDataset",
           "CaptionedImage", "ClassDataset", "RegionDataset", "RegionImage", "convert_stackgan", "read_binarized_mnist",
           "read_boxes", "read_clips", "read_cnn", "read_coco_captions", "read_coco_regions", "read_cub", "read_flickr30k",
           "read_flickr30k_entities", "read_flickr8k", "read_iam_ondb", "read_karpathy", "read_mat", "read_mnist",
           "read_oxford102", "read_pascal_sentences", "read_picture", "read_region_features", "read_sbu", "read_sentences",
           "read_sick", "read_stackgan", "read_text_embeddings", "read_torch7", "read_tuples", "read_ucf101",
           "read_ucf101_classes", "read_ucf101_list", "read_video"]

if TYPE_CHECKING:
    from .readers.binarized_mnist import read_binarized_mnist
    from .readers.box_file import read_boxes
    from .readers.captions import CaptionDataset, CaptionedImage
    from .readers.char_captions import ClassDataset
    from .readers.clips import read_clips
    from .readers.cnn_dailymail import read_cnn
    from .readers.coco_captions import read_coco_captions
    from .readers.coco_regions import read_coco_regions
    from .readers.cub import read_cub
    from .readers.flickr import read_flickr8k, read_flickr30k
    from .readers.flickr30k_entities import read_flickr30k_entities
    from .readers.iam_ondb import read_iam_ondb
    from .readers.idx import read_mnist
    from .readers.images import read_picture
    from .readers.karpathy import read_karpathy
    from .readers.mat import read_mat
    from .readers.oxford102 import read_oxford102
    from .readers.pascal_sentences import read_pascal_sentences
    from .readers.region_features import read_region_features
    from .readers.regions import RegionDataset, RegionImage
    from .readers.sbu import read_sbu
    from .readers.sentences import read_sentences
    from .readers.sick import read_sick
    from .readers.stackgan_pickles import convert_stackgan, read_stackgan
    from .readers.text_embeddings import read_text_embeddings
    from .readers.torch7 import read_torch7
    from .readers.tuples import read_tuples
    from .readers.ucf101 import read_ucf101, read_ucf101_classes, read_ucf101_list
    from .readers.video import read_video
else:
    __getattr__, __dir__ = lazily(__name__, globals(), {
        "readers.binarized_mnist": ["read_binarized_mnist"],
        "readers.box_file": ["read_boxes"],
        "readers.captions": ["CaptionDataset", "CaptionedImage"],
        "readers.char_captions": ["ClassDataset"],
        "readers.clips": ["read_clips"],
        "readers.cnn_dailymail": ["read_cnn"],
        "readers.coco_captions": ["read_coco_captions"],
        "readers.coco_regions": ["read_coco_regions"],
        "readers.cub": ["read_cub"],
        "readers.flickr": ["read_flickr8k", "read_flickr30k"],
        "readers.flickr30k_entities": ["read_flickr30k_entities"],
        "readers.iam_ondb": ["read_iam_ondb"],
        "readers.idx": ["read_mnist"],
        "readers.images": ["read_picture"],
        "readers.karpathy": ["read_karpathy"],
        "readers.mat": ["read_mat"],
        "readers.oxford102": ["read_oxford102"],
        "readers.pascal_sentences": ["read_pascal_sentences"],
        "readers.region_features": ["read_region_features"],
        "readers.regions": ["RegionDataset", "RegionImage"],
        "readers.sbu": ["read_sbu"],
        "readers.sentences": ["read_sentences"],
        "readers.sick": ["read_sick"],
        "readers.stackgan_pickles": ["convert_stackgan", "read_stackgan"],
        "readers.text_embeddings": ["read_text_embeddings"],
        "readers.torch7": ["read_torch7"],
        "readers.tuples": ["read_tuples"],
        "readers.ucf101": ["read_ucf101", "read_ucf101_classes", "read_ucf101_list"],
        "readers.video": ["read_video"],
    })
