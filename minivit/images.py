"""Real pictures and data sets: the one name under which the lessons find all that makes a picture a tensor.

    B images, C channels (RGB first), H W pixels; a picture is (C, H, W), a batch is (B, C, H, W)

Here are the pictures that ship inside scikit-image and scikit-learn, and a folder of your own. `decoding` reads files
and bytes, `pixels` changes type and size, `datasets` holds handwritten digits and CIFAR-10; their names are here too.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from minivit.datasets import Labelled, Split, cifar10, digits, digits_by_writer, digits_split
from minivit.decoding import decode, from_array, load
from minivit.pixels import MAX_PIXELS, fit, resize, to_float, to_uint8

__all__ = [
    "MAX_PIXELS", "Folder", "Labelled", "Sample", "Skipped", "Split", "cifar10", "decode", "digits", "digits_by_writer",
    "digits_split", "fit", "folder", "from_array", "load", "resize", "sample", "samples", "to_float", "to_uint8",
]  # fmt: skip


# Pictures that ship inside other packages


class Sample(NamedTuple):
    """A picture inside an installed package, with its terms as that package states them."""

    name: str
    shows: str
    licence: str  # "not stated": look at it, but do not publish it
    source: str
    file: str  # the importable package, and the path inside it

    @property
    def package(self) -> str:
        """The package to install."""
        return {"skimage": "scikit-image", "sklearn": "scikit-learn"}[self.file.split("/")[0]]


# Terms as in the docstrings of skimage.data (scikit-image 0.26) and in sklearn/datasets/images/README.txt (1.9).
_CC0, _PUBLIC, _NO_KNOWN, _BY = "CC0 1.0", "public domain", "no known copyright restrictions", "CC BY 2.0"
_NOT_STATED = "not stated"
_NASA, _FLICKR = "NASA Great Images, flic.kr/p/r9qvLn", "www.flickr.com/photos"
_MIDDLEBURY = "Middlebury 2014 stereo data, D. Scharstein and others, vision.middlebury.edu/stereo/data/scenes2014"
_SAMPLES = (
    Sample("astronaut", "Eileen Collins, astronaut", _PUBLIC, _NASA, "skimage/data/astronaut.png"),
    Sample("brick", "a brick wall, grey", _CC0, "CC0Textures, Bricks25", "skimage/data/brick.png"),
    Sample("camera", "a photographer at work, grey", _CC0, "Lav Varshney", "skimage/data/camera.png"),
    Sample("cell", "a cell in saline, grey", _CC0, "P. Müller and others, 2018", "skimage/data/cell.png"),
    Sample("chelsea", "Chelsea the cat", _CC0, "Stefan van der Walt", "skimage/data/chelsea.png"),
    Sample("china", "a temple in China", _BY, f"danielbuechele, {_FLICKR}/danielbuechele/6061409035",
           "sklearn/datasets/images/china.jpg"),
    Sample("clock", "a wall clock, blurred by motion, grey", _PUBLIC, "Stefan van der Walt",
           "skimage/data/clock_motion.png"),
    Sample("coffee", "a cup of coffee on wood", _CC0, "Rachel Michetti, courtesy of Pikolo Espresso Bar",
           "skimage/data/coffee.png"),
    Sample("coins", "Greek coins from Pompeii, grey", _NO_KNOWN, "Brooklyn Museum, archives, image 51611",
           "skimage/data/coins.png"),
    # The README names danielbuechele here too, but the address it gives is vultilion's.
    Sample("flower", "a dahlia in flower", _BY, f"vultilion, {_FLICKR}/vultilion/6056698931",
           "sklearn/datasets/images/flower.jpg"),
    Sample("grass", "grass, grey", _CC0, "linolafett on DeviantArt, Grass 01", "skimage/data/grass.png"),
    Sample("gravel", "gravel, grey", _CC0, "CC0Textures, Gravel04", "skimage/data/gravel.png"),
    Sample("horse", "the silhouette of a horse", _CC0, "Andreas Preuss (marauder), openclipart.org/detail/158377",
           "skimage/data/horse.png"),
    Sample("hubble_deep_field", "galaxies, the Hubble eXtreme Deep Field", _PUBLIC, "NASA, HubbleSite release 2012-37",
           "skimage/data/hubble_deep_field.jpg"),
    Sample("immunohistochemistry", "stained colonic glands", _NO_KNOWN,
           "Center for Microscopy and Molecular Imaging (CMMI)", "skimage/data/ihc.png"),
    Sample("microaneurysms", "a detail of a retina, grey", _CC0,
           "Andreas Maier, High-Resolution Fundus Image Database, 07_dr", "skimage/data/microaneurysms.png"),
    Sample("moon", "the surface of the moon, grey", _NOT_STATED, _NOT_STATED, "skimage/data/moon.png"),
    Sample("motorcycle_left", "a motorcycle, left of a stereo pair", _NOT_STATED, _MIDDLEBURY,
           "skimage/data/motorcycle_left.png"),
    Sample("motorcycle_right", "a motorcycle, right of a stereo pair", _NOT_STATED, _MIDDLEBURY,
           "skimage/data/motorcycle_right.png"),
    Sample("page", "a printed page, unevenly lit, grey", _NOT_STATED, _NOT_STATED, "skimage/data/page.png"),
    Sample("retina", "a human retina", _CC0, "Mikael Häggström, 2014, Wikimedia Commons", "skimage/data/retina.jpg"),
    # Readers of scikit-image found CC BY-NC 2.0 on its Flickr page (scikit-image issue 5095).
    Sample("rocket", "a Falcon 9 rocket at its launch pad", "public domain, disputed",
           f"SpaceX, {_FLICKR}/spacexphotos/16511594820", "skimage/data/rocket.jpg"),
    Sample("text", "handwritten formulas, slanting, grey", _PUBLIC, "Wikipedia, File:Corner.png",
           "skimage/data/text.png"),
)  # fmt: skip


def samples() -> dict[str, Sample]:
    """The real pictures that `sample` knows, by name, each with what it shows, its licence and its source."""
    return {picture.name: picture for picture in _SAMPLES}


def sample(name: str) -> Tensor:
    """The name of a shipped picture -> uint8 (3, H, W). Nothing is downloaded.

    `samples()` lists the names. Raises ValueError for any other name, ImportError if the package that ships the picture
    is not installed, OSError if its version ships no such file.
    """
    found = samples().get(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"there is no sample {name!r}; choose one of {', '.join(samples())}")
    package, _, inside = found.file.partition("/")
    spec = find_spec(package)  # finds the folder without importing the package, which takes a second
    if spec is None or spec.origin is None:
        raise ImportError(f"the sample {name!r} needs {found.package}: pip install 'minivit[lessons]'")
    file = Path(spec.origin).parent / inside
    if not file.exists():
        raise FileNotFoundError(f"this {found.package} ships no {file}; install the version that constraints.txt names")
    return load(file)


# Your own pictures

# What `folder` takes for a picture. The last three cannot be decoded, but their owner should hear so.
SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".avif", ".heic", ".heif", ".jp2",
)  # fmt: skip


class Skipped(NamedTuple):
    """A file that could not be decoded, and why."""

    name: str
    reason: str


class Folder(NamedTuple):
    """The pictures of a folder, sorted by name."""

    images: list[Tensor] | Tensor  # each uint8 (3, H, W); with a size one tensor (B, 3, height, width)
    names: list[str]
    skipped: list[Skipped]


def folder(path: str | Path, *, size: tuple[int, int] | None = None) -> Folder:
    """Your own pictures -> `Folder` of uint8 (3, H, W), or of one (B, 3, height, width) with `size=(height, width)`.

    Takes the files in the folder itself whose ending says picture, sorted by name; folders inside it, hidden files and
    other files are passed over. With a size each is cut and scaled by `fit`, and only the small ones stay in memory.
    Broken pictures are left out, listed in `skipped` and named in a warning. Raises OSError if there is no such
    folder, ValueError if it holds no picture or only broken ones.
    """
    if not isinstance(path, str | Path):
        raise ValueError(f"folder takes a path, got {type(path).__name__}")
    if size is not None and not (isinstance(size, tuple | list) and len(size) == 2):
        raise ValueError(f"size is (height, width), two whole numbers of pixels; got {size!r}")
    path = Path(path)
    if not path.is_dir():
        if path.exists():
            raise ValueError(f"{path} is a file, not a folder; read one picture with load(path)")
        raise FileNotFoundError(f"there is no folder {path} in {path.absolute().parent}; check its name")
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES and file.name[0] != "."]
    images, names, skipped = [], [], []
    for file in files:
        if file.is_dir():
            continue
        try:
            picture = load(file)
        except (ValueError, OSError) as error:
            skipped.append(Skipped(file.name, str(error)))
            continue
        images.append(picture if size is None else fit(picture, *size))
        names.append(file.name)
    reasons = "".join(f"\n  {broken.name}: {broken.reason}" for broken in skipped[:10])
    reasons += f"\n  and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    if not images and not skipped:
        raise ValueError(f"no pictures in {path}; put files with one of these endings there: {' '.join(SUFFIXES)}")
    if not images:
        raise ValueError(f"none of the {len(skipped)} pictures in {path} can be read:{reasons}")
    if skipped:
        warnings.warn(f"left out {len(skipped)} of {len(images) + len(skipped)} pictures:{reasons}", stacklevel=2)
    return Folder(images if size is None else torch.stack(images), names, skipped)


