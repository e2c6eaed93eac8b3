"""The budget: a context holds so many tokens, pictures take their slots first, words share the rest.

Legend: (rows, cols) the grid of patches, M slots an image.
"""

from dataclasses import dataclass

from minivit.bridge.merging import Keep, Merger
from minivit.patches import Grid, _whole


@dataclass(frozen=True)
class Budget:
    """Slots, words and what is left: all are counted before anything is generated.

        Budget(context=2048, size=336, patch=14).slots == 576

    `size` in pixels, (height, width) or one number for a square; `answer` is how many tokens may be written. These are
    baselines: other models add marks between rows, tiles, or thumbnails, and each has to be asked.
    """

    context: int
    size: tuple[int, int] | int
    patch: int
    merge: Merger | None = None  # None: every patch is a slot
    images: int = 1
    text: int = 0
    answer: int = 0

    def __post_init__(self):
        size = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
        object.__setattr__(self, "size", size)
        _whole(self.context, "the context", "tokens")
        for name, unit in (("images", "images"), ("text", "tokens"), ("answer", "tokens")):
            _whole(getattr(self, name), name, unit, least=0)
        object.__setattr__(self, "merge", Keep() if self.merge is None else self.merge)
        self.merge.slots(self.grid)  # refuses what does not fit

    @property
    def grid(self) -> Grid:
        """Rows and columns of patches."""
        return Grid.of(*self.size, self.patch)

    @property
    def slots(self) -> int:
        """M, of one image."""
        return self.merge.slots(self.grid)

    @property
    def used(self) -> int:
        """Tokens of all images, the text and the answer."""
        return self.images * self.slots + self.text + self.answer

    @property
    def left(self) -> int:
        """What is left of the context; below zero where it does not fit."""
        return self.context - self.used

    @property
    def most_images(self) -> int:
        """How many such images there is room for, beside text and answer."""
        return max(0, (self.context - self.text - self.answer) // self.slots)
