"""Real pictures that ship inside scikit-image and scikit-learn, with their terms. Nothing is downloaded."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from minivit.images.decoding import load


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
