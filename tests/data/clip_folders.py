"""Folders of frames and of flow pictures, as LRCN's release lays them out, written from arrays."""

import numpy as np
from PIL import Image


def write_pictures(folder, pictures, name="{}.{:04}.jpg", first=1):
    """Pictures (n, 3, H, W) uint8 in a folder; ``name`` has the folder's name and the number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures, first):
        image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
        image.save(folder / name.format(folder.name, number), quality=95)


def write_flow(folder, pictures, ending="jpg"):
    """n - 1 flow pictures of n frames, named after the later ones."""
    write_pictures(folder, pictures, "flow_image_{}.{:04}." + ending, first=2)
