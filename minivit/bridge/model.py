"""The bridge: a tower looks, a merger and a projector make slots of what it saw, a language model reads and writes.

Legend: B texts, T tokens, K pictures in all, C H W pixels, N patch tokens, D the tower's width, M slots an image, L
tokens with slots, E the language model's width, V vocabulary. Projecting changes the width, never the number of slots.

Sources: Liu et al. 2023 (LLaVA), section 4; Liu et al. 2024 (LLaVA-1.5), section 3.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minivit.bridge.budget import Budget
from minivit.bridge.merging import Keep, Merger
from minivit.bridge.splicing import Spliced, answer_loss, splice
from minivit.language import Cache, Language, Sampler, Written, generate, greedy, stream
from minivit.lora import add_lora
from minivit.patches import Grid, _whole
from minivit.vit import ViT


class Seen(NamedTuple):
    """What a tower saw: all that a bridge needs, and all that a cache of frozen features keeps."""

    tokens: Tensor  # (K, N, D)
    grid: Grid


class Answered(NamedTuple):
    """What the language model made of words and slots."""

    logits: Tensor  # (B, L, V)
    spliced: Spliced


class Bridge(nn.Module):
    """Pictures (K, C, H, W) and texts (B, T) with a `mark` for each picture -> logits (B, L, V).

    `block` says which of the tower's blocks is read: -2 is the last but one, as in LLaVA, without the final norm; None
    is the end, normed. Prefix tokens are left out. The tower is frozen: it looks, and learns nothing here.
    """

    def __init__(
        self, tower: ViT, project: nn.Module, language: Language, mark: int, merge: Merger | None = None,
        block: int | None = -2,
    ):  # fmt: skip
        super().__init__()
        depth = len(tower.encoder.blocks)
        if block is not None and not -depth <= block < depth:
            raise ValueError(
                f"the tower has {depth} blocks, and there is no block {block}: from {-depth} to {depth - 1}"
            )
        if not 0 <= mark < language.config.vocabulary:
            raise ValueError(f"the mark is an id below {language.config.vocabulary}; got {mark}")
        self.tower, self.project, self.language = tower.requires_grad_(False), project, language
        self.merge = Keep() if merge is None else merge
        self.mark, self.block = mark, block

    def forward(self, ids: Tensor, images: Tensor | Seen | None = None, valid: Tensor | None = None) -> Answered:
        """(B, T), (K, C, H, W) or what `look` saw of them -> logits (B, L, V) and what stands where."""
        spliced = self.splice(ids, images, valid)
        return Answered(self.language.head(self.language.read(spliced.vectors, spliced.valid)), spliced)

    @torch.no_grad()
    def look(self, images: Tensor) -> Seen:
        """(K, C, H, W) -> patch tokens (K, N, D) of the chosen block. The same for as long as the tower is frozen."""
        training = self.tower.training
        seen = self.tower.eval().features(images)
        self.tower.train(training)
        tokens = seen.patches if self.block is None else seen.blocks[self.block][:, self.tower.config.prefix :]
        return Seen(tokens, seen.grid)

    def slots(self, seen: Seen) -> Tensor:
        """(K, N, D) -> (K, M, E): merged, then projected."""
        return self.project(self.merge(seen.tokens, seen.grid))

    def splice(
        self, ids: Tensor, images: Tensor | Seen | None = None, valid: Tensor | None = None,
        learn: Tensor | None = None, pad: str = "left", taken: int = 0,
    ) -> Spliced:  # fmt: skip
        """Texts with marks, pictures or what was seen of them -> words and slots in one line, padded on the left.

        Raises ValueError where the context has no room for them beside `taken` tokens, saying what would fit.
        """
        if images is None:
            slots = self.language.table.weight.new_zeros(0, 0, self.language.config.width)
            return splice(ids, slots, self.language.table, self.mark, valid, learn, pad)
        seen = images if isinstance(images, Seen) else self.look(images)
        spliced = splice(ids, self.slots(seen), self.language.table, self.mark, valid, learn, pad)
        self._fits(spliced, seen.grid, taken)
        return spliced

    def _fits(self, line: Spliced, grid: Grid, taken: int) -> None:
        """ValueError for the row to which most has to be done, if any is too long."""
        context, slots = self.language.config.context, self.merge.slots(grid)
        if line.vectors.shape[1] + taken <= context:
            return
        shown = (line.ids == self.mark) & line.valid
        rows = zip((shown.sum(dim=1) // slots).tolist(), (line.valid & ~shown).sum(dim=1).tolist(), strict=True)
        budgets = [Budget(context, tuple(grid), 1, self.merge, images, words, taken) for images, words in rows]
        max((one for one in budgets if one.left < 0), key=lambda one: one.factor or math.inf).check()

    def loss(self, ids: Tensor, images: Tensor | Seen | None, valid: Tensor, learn: Tensor) -> Tensor:
        """The mean cross-entropy in nats of the answers' words alone. Arguments as in `splice`."""
        line = self.splice(ids, images, valid, learn, pad="right")  # no word reads what comes later: no mask is needed
        return answer_loss(self.language.read(line.vectors), self.language.head, line)

    def generate(
        self, ids: Tensor, images: Tensor | Seen | None = None, *, limit: int, stop: Iterable[int] = (),
        valid: Tensor | None = None, choose: Sampler | None = None, allowed=None,
    ) -> Written:  # fmt: skip
        """Texts with marks and their pictures -> what is written after each. See `language.generate`."""
        _whole(limit, "the limit", "tokens")
        with torch.inference_mode():
            spliced = self.splice(ids, images, valid, taken=limit - 1)
        return generate(
            self.language, spliced.vectors, valid=spliced.valid, limit=limit, stop=stop, choose=choose or greedy,
            allowed=allowed,
        )  # fmt: skip

    def stream(
        self, ids: Tensor, images: Tensor | Seen | None = None, *, limit: int, stop: Iterable[int] = (),
        valid: Tensor | None = None, choose: Sampler | None = None, allowed=None, cache=True,
    ) -> Iterator[Tensor]:  # fmt: skip
        """The same, token by token; with a `Cache` a conversation goes on where it was. See `language.stream`."""
        _whole(limit, "the limit", "tokens")
        with torch.inference_mode():
            read = cache.filled if isinstance(cache, Cache) else 0
            spliced = self.splice(ids, images, valid, taken=read + limit - 1)
        return stream(
            self.language, spliced.vectors, valid=spliced.valid, limit=limit, stop=stop, choose=choose or greedy,
            allowed=allowed, cache=cache,
        )  # fmt: skip


def first_stage(bridge: Bridge) -> Bridge:
    """Only the merger and the projector learn: the language model learns no words, the picture learns its language."""
    bridge.requires_grad_(False)
    bridge.project.requires_grad_(True)
    if isinstance(bridge.merge, nn.Module):
        bridge.merge.requires_grad_(True)
    return bridge


def second_stage(bridge: Bridge, rank: int | None = None) -> Bridge:
    """The language model learns too, whole, or with a `rank` by LoRA. The tower stays frozen in both stages."""
    first_stage(bridge)
    if rank is None:
        bridge.language.requires_grad_(True)
    else:
        add_lora(bridge.language, rank)
    return bridge
