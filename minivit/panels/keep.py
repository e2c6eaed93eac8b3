"""Keeping what was drawn: everything for small pictures, only the latest pieces for large ones.

A sprite or a texture for 96 px pictures is tens of kilobytes and is stamped thousands of times; for
512 px pictures it is megabytes and is stamped now and then. The key is the call's arguments, all of
them; the last one is the cell size in pixels.
"""

from collections.abc import Callable
from functools import lru_cache, wraps

LARGE = 100  # pixels to a cell; pictures of 300 px and up have cells as large as this


def kept(large: int) -> Callable[[Callable], Callable]:
    """Remember up to 512 results for small cells, and `large` of them for large ones."""

    def remembering(draw: Callable) -> Callable:
        for_small, for_large = lru_cache(512)(draw), lru_cache(large)(draw)

        @wraps(draw)
        def recall(*arguments):
            return (for_small if arguments[-1] < LARGE else for_large)(*arguments)

        return recall

    return remembering
