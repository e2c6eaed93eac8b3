"""Real pictures and data sets: the one name under which the lessons find all that makes a picture a tensor.

    B images, C channels (RGB first), H W pixels; a picture is (C, H, W), a batch is (B, C, H, W)

`pixels` changes type and size, `decoding` reads files and bytes, `shipped` knows the pictures inside scikit-image and
scikit-learn, `folders` reads your own, `handwriting` and `cifar` are data sets with labels. Their names are all here.
"""

from minivit.images.cifar import cifar10
from minivit.images.decoding import decode, from_array, load
from minivit.images.folders import Folder, Skipped, folder
from minivit.images.handwriting import digits, digits_by_writer, digits_split
from minivit.images.labelled import Labelled, Split
from minivit.images.pixels import MAX_PIXELS, fit, resize, to_float, to_uint8
from minivit.images.shipped import Sample, sample, samples

__all__ = [
    "MAX_PIXELS", "Folder", "Labelled", "Sample", "Skipped", "Split", "cifar10", "decode", "digits", "digits_by_writer",
    "digits_split", "fit", "folder", "from_array", "load", "resize", "sample", "samples", "to_float", "to_uint8",
]  # fmt: skip
