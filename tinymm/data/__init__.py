"""Floor 4: datasets and loaders."""

from .collate import default_collate
from .readers.binarized_mnist import read_binarized_mnist
from .readers.captions import CaptionDataset, CaptionedImage
from .readers.cnn_dailymail import read_cnn
from .readers.coco_captions import read_coco_captions
from .dataset import Dataset, Subset, TensorDataset, random_split
from .readers.flickr import read_flickr8k, read_flickr30k
from .readers.iam_ondb import read_iam_ondb
from .readers.idx import read_mnist
from .readers.images import read_picture
from .readers.karpathy import read_karpathy
from .loader import DataLoader
from .readers.mat import read_mat
from .readers.pascal_sentences import read_pascal_sentences
from .readers.sbu import read_sbu
from .readers.sentences import read_sentences
from .readers.sick import read_sick

__all__ = ["Dataset", "TensorDataset", "Subset", "random_split", "DataLoader", "default_collate", "CaptionDataset",
           "CaptionedImage", "read_coco_captions", "read_karpathy", "read_flickr8k", "read_flickr30k",
           "read_pascal_sentences", "read_sbu", "read_picture", "read_binarized_mnist", "read_cnn", "read_iam_ondb", "read_mat",
           "read_mnist", "read_sentences", "read_sick"]
