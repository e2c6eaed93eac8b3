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

    @property
    def factor(self) -> int | None:
        """The least factor F of `PixelShuffle` and `AveragePool` with which all fits; None where there is no such."""
        rows, cols = self.grid
        room = self.context - self.text - self.answer
        fits = (f for f in range(1, min(rows, cols) + 1) if rows % f == cols % f == 0)
        return next((f for f in fits if self.images * (rows // f) * (cols // f) <= room), None)

    def check(self) -> None:
        """Raises ValueError where nothing is left, with the numbers and what would fit."""
        if self.left >= 0:
            return
        factor, grid = self.factor, self.grid
        shrunk = factor and f"an image has {grid.tokens // factor**2} slots, and all fits, with PixelShuffle({factor})"
        fewer = f"there is room for {self.most_images} of {self.images} images as they are"
        raise ValueError(
            f"{self.images} images of {self.slots} slots, {self.text} words and {self.answer} tokens read before or to "
            f"be written are {-self.left} more than the context of {self.context}: "
            f"{shrunk or 'no merger suffices'}; {fewer}"
        )
