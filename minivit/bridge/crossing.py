"""Looking again: pictures stay outside the line of words, and gated layers between the blocks look at them anew.

Legend: B texts, T tokens, N picture tokens of a text, D their width, E the language model's width.

Slots are read once, with the prompt, and what a later turn knows of the picture is what the cache kept. Here every
token, in every turn, looks at the picture itself; no slot stands in the context; and each gate starts at zero, so that
at first the language model is exactly what it was.

Source: Alayrac et al. 2022 (Flamingo), section 2.2 and figure 4.
"""

import torch
from torch import Tensor, nn

from minivit.blocks import MLP
from minivit.bridge.merging import CrossAttention
from minivit.language import Cache, Language, LanguageConfig
from minivit.language.model import ALL
from minivit.patches import _whole


class GatedCrossAttention(nn.Module):
    """x + tanh(a) attention(x, picture), then + tanh(b) MLP, with a and b zero at the start: (B, T, E) -> (B, T, E)."""

    def __init__(self, width: int, other: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look, self.mlp = CrossAttention(width, other, heads), MLP(width, 4 * width)
        self.gate1, self.gate2 = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        """(B, T, E), (B, N, D) -> (B, T, E)."""
        x = x + self.gate1.tanh() * self.look(self.norm1(x), picture)
        return x + self.gate2.tanh() * self.mlp(self.norm2(x))


class LookAgain(nn.Module):
    """A language model with a gated layer after every `every`-th block; `at(picture)` is that model looking there.

    Raises ValueError where `every` leaves no layer to look with.
    """

    def __init__(self, language: Language, other: int, every: int = 1):
        super().__init__()
        c = language.config
        if _whole(every, "every", "blocks") > c.depth:
            raise ValueError(
                f"after every {every} blocks of {c.depth} there is no place for a layer, so nothing would be seen: "
                f"take every from 1 to {c.depth}"
            )
        self.language, self.every = language, every
        self.layers = nn.ModuleList(GatedCrossAttention(c.width, other, c.heads) for _ in range(c.depth // every))

    def at(self, picture: Tensor) -> "Looking":
        """(B, N, D) -> a language model, for `stream` and `generate` too, that sees this picture at every token."""
        return Looking(self, picture)


class Looking:
    """A language model for as long as it looks at these pictures (B, N, D); it has what writing needs."""

    def __init__(self, model: LookAgain, picture: Tensor):
        self.model, self.picture = model, picture
        self.table, self.head, self.embed = model.language.table, model.language.head, model.language.embed

    @property
    def config(self) -> LanguageConfig:
        """The language model's."""
        return self.model.language.config

    def __call__(self, ids: Tensor, valid: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """(B, T) -> (B, T, V)."""
        return self.head(self.read(self.embed(ids), valid, cache))

    def read(
        self, vectors: Tensor, valid: Tensor | None = None, cache: Cache | None = None, asking: slice = ALL
    ) -> Tensor:
        """(B, T, E) -> (B, asking, E), as `Language.read`, with a look at the picture between the blocks."""
        return self.model.language.read(vectors, valid, cache, after=self._look, asking=asking)

    def _look(self, block: int, vectors: Tensor) -> Tensor:
        layer, between = divmod(block + 1, self.model.every)
        return vectors if between else self.model.layers[layer - 1](vectors, self.picture)
