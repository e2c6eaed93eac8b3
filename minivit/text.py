"""The text tower: ids in, one vector for each text out. A ViT whose patches are looked up instead of projected.

Legend: B texts, T length, V vocabulary, D width, heads. Look up, give positions, encode, read one position out.

Released families differ in what a token may read and in which token is read out:

    family            attention       padding        read out
    CLIP              causal          never matters  the first end token, which has read all before it
    SigLIP, SigLIP 2  bidirectional   not hidden     the last position, even where it is padding

Sources: Radford et al. 2021, section 2.4 (CLIP); Zhai et al. 2023 (SigLIP); Tschannen et al. 2025 (SigLIP 2); what is
read out is what the released code reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minivit.attention import causal, padding
from minivit.blocks import ACTIVATIONS, Encoder
from minivit.patches import _tensor, _whole
from minivit.vit import _initialise


@dataclass(frozen=True)
class TextConfig:
    """The numbers of a text tower; those of CLIP's B sizes unless told. Raises ValueError for nonsense."""

    vocabulary: int = 49408
    length: int = 77
    width: int = 512
    depth: int = 12
    heads: int = 8
    hidden: int | None = None  # the MLP's inner width; None means 4 * width
    eps: float = 1e-5
    activation: str = "quick_gelu"
    causal: bool = True  # a token reads itself and those before it; False: all

    def __post_init__(self):
        _whole(self.width, "width", "values")
        object.__setattr__(self, "hidden", 4 * self.width if self.hidden is None else self.hidden)
        for name, unit in (("vocabulary", "ids"), ("length", "tokens"), ("heads", "heads"), ("hidden", "values")):
            _whole(getattr(self, name), name, unit)
        _whole(self.depth, "depth", "blocks", least=0)
        if self.width % self.heads:
            fitting = [n for n in range(1, self.width + 1) if self.width % n == 0]
            raise ValueError(f"{self.heads} heads do not divide the width {self.width}; these do: {fitting}")
        if isinstance(self.eps, bool) or not isinstance(self.eps, int | float) or not 0 < self.eps < float("inf"):
            raise ValueError(f"eps must be a number above 0; got {self.eps!r}")
        if self.activation not in tuple(ACTIVATIONS):
            raise ValueError(f"there is no activation {self.activation!r}; there are {', '.join(ACTIVATIONS)}")
        if not isinstance(self.causal, bool):
            raise ValueError(f"causal is True or False; got {self.causal!r}")


TEXTS = {  # the B sizes; a released model's own config.json decides
    "clip": TextConfig(),
    "siglip": TextConfig(32_000, 64, 768, 12, 12, eps=1e-6, activation="gelu_tanh", causal=False),
    "siglip2": TextConfig(256_000, 64, 768, 12, 12, eps=1e-6, activation="gelu_tanh", causal=False),
}


# Ways to read one vector out: called with tokens (B, T, D) and ids (B, T), they give (B, D).


@dataclass(frozen=True)
class FirstEnd:
    """The token at each row's first end id: (B, T, D), (B, T) -> (B, D), as in CLIP.

    Raises ValueError, naming the row, where there is none. Older configs of CLIP look for the highest id instead, which
    is the same as long as no id was added above the end's.
    """

    end: int

    def __call__(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """(B, T, D), (B, T) -> (B, D)."""
        return tokens[torch.arange(len(ids), device=ids.device), self.places(ids)]

    def places(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B,): where each row's first end is."""
        ends = ids == self.end
        _every_row(ends.any(dim=1), f"has no end token (id {self.end}): was it cut off, or made by another tokenizer?")
        return ends.int().argmax(dim=1)


def last_position(tokens: Tensor, ids: Tensor) -> Tensor:
    """The last token, padding or not: (B, T, D), (B, T) -> (B, D), as in SigLIP, which always pads to its length."""
    return tokens[:, -1]


@dataclass(frozen=True)
class MeanOfReal:
    """The mean of all tokens but padding: (B, T, D), (B, T) -> (B, D). Raises ValueError for a row of padding alone."""

    pad: int

    def __call__(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """(B, T, D), (B, T) -> (B, D)."""
        real = ids != self.pad
        _every_row(real.any(dim=1), f"is padding alone (id {self.pad}): there is nothing to take the mean of")
        return tokens.masked_fill(~real[..., None], 0).sum(dim=1) / real.sum(dim=1, keepdim=True)


class TextFeatures(NamedTuple):
    """What a text tower read, from the inside."""

    tokens: Tensor  # (B, T, D), after the final norm
    pooled: Tensor  # (B, D)
    blocks: tuple[Tensor, ...]  # depth times (B, T, D): the stream after each block, not normed
    weights: tuple[Tensor, ...]  # depth times (B, heads, T, T) on request, else ()


class TextTower(nn.Module):
    """ids (B, T) -> (B, D), or what the head makes of it, for example nn.Linear(D, E, bias=False).

    `read` takes tokens (B, T, D) and ids (B, T) to one vector (B, D): FirstEnd(id), last_position or MeanOfReal(id).
    `hide` is the id of a padding that no token may read; None hides nothing, as in CLIP and SigLIP.
    """

    def __init__(
        self,
        config: TextConfig,
        read: Callable[[Tensor, Tensor], Tensor],
        head: nn.Module | None = None,
        *,
        hide: int | None = None,
    ):
        super().__init__()
        if not isinstance(config, TextConfig):
            raise ValueError(f"a text tower is built from a TextConfig, for example TEXTS['clip']; got {config!r}")
        if not callable(read):
            raise ValueError(f"read gives one vector out of tokens: FirstEnd(id), last_position, ...; got {read!r}")
        c = self.config = config
        self.embed = nn.Embedding(c.vocabulary, c.width)
        self.positions = nn.Parameter(torch.randn(c.length, c.width) * 0.01)  # small, as CLIP starts them
        self.encoder = Encoder(c.width, c.depth, c.heads, c.hidden, eps=c.eps, activation=c.activation)
        self.read, self.head, self.hide = read, head, hide
        nn.init.normal_(self.embed.weight, std=0.02)
        self.encoder.apply(_initialise)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, D), or what the head makes of it. T is the config's length at most."""
        ids = self._needed(self._checked(ids))
        tokens = self.encoder(self._placed(ids), self._mask(ids))
        pooled = self.read(tokens, ids)
        return pooled if self.head is None else self.head(pooled)

    def features(self, ids: Tensor, weights: bool = False) -> TextFeatures:
        """(B, T) -> every intermediate of all T tokens; with `weights` also who read whom in every block and head."""
        trace = self.encoder.trace(self._placed(self._checked(ids)), self._mask(ids), weights=weights)
        return TextFeatures(trace.output, self.read(trace.output, ids), trace.blocks, trace.weights)

    def _needed(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, at most T): without the padding that all rows share, where that is never read.

        When tokens read only backwards and the first end is read out, what follows can change neither the output nor a
        gradient, and for short captions it is most of the work.
        """
        if self.config.causal and isinstance(self.read, FirstEnd) and len(ids):
            return ids[:, : int(self.read.places(ids).max()) + 1]
        return ids

    def _placed(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, D): each id's vector, and what its place adds."""
        placed = self.embed(ids) + self.positions[: ids.shape[1]]
        kind = placed.device.type
        # a table is no product, so autocast leaves it alone: the stream is put in half precision here, as in the ViT
        return placed.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else placed

    def _mask(self, ids: Tensor) -> Tensor | None:
        """(B, T) -> what may be read: None for everything, or a mask that broadcasts to (B, heads, T, T)."""
        backwards = causal(ids.shape[1], ids.device) if self.config.causal else None
        if self.hide is None:
            return backwards
        seen = padding(ids != self.hide)
        return seen if backwards is None else seen & backwards

    def _checked(self, ids: Tensor) -> Tensor:
        c = self.config
        if _tensor(ids, "ids").ndim != 2 or ids.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"ids are (B, T) whole numbers, int64; got {ids.dtype} of shape {tuple(ids.shape)}")
        if not 0 < ids.shape[1] <= c.length:
            raise ValueError(f"the tower has positions for 1 to {c.length} tokens; got texts of {ids.shape[1]}")
        if ids.numel() and not 0 <= ids.min() <= ids.max() < c.vocabulary:
            raise ValueError(
                f"the vocabulary has ids 0 to {c.vocabulary - 1}; got {ids.min()} to {ids.max()}: take the tower's own "
                f"tokenizer, and build a new tower with vocabulary=tokenizer.vocabulary"
            )
        return ids


def _every_row(good: Tensor, otherwise: str) -> None:
    if not good.all():
        row = int((~good).nonzero()[0, 0])
        raise ValueError(f"row {row} of {len(good)} {otherwise}")
