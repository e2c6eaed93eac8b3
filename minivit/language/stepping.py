"""Stepping: the token just written passes through the model, and tells what may come next.

Legend: B texts, D width, V vocabulary, kv_heads key and value heads, heads query heads.

`plain_step` is `Language.read` of one token. In a small model such a token is some twenty sums a block, each so short
that calling a module takes as long as the sum. `fast_step` therefore takes the weights out of their modules once and
does the same sums in one function. It is equal to the plain one, gives no gradients, and knows no parts but our own:
`stepping` takes it where it fits.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.language.cache import Cache, may_read
from minivit.language.model import CausalAttention, CausalBlock, Language, RMSNorm, SwiGLU

Step = Callable[[Tensor], Tensor]  # (B,) ids just written -> (B, V) logits of what comes next
Stepping = Callable[[Language, Cache], Step]

OWN = (Language, CausalBlock, CausalAttention, SwiGLU, RMSNorm, nn.ModuleList, nn.Embedding, nn.Linear)


class WholeStep(ABC):
    """A step for one text that also reads the prompt and writes the most likely text by itself. It gives no gradients.

    Raises ValueError for what `Language.read` refuses, and beyond the cache's room.
    """

    @abstractmethod
    def __call__(self, ids: Tensor) -> Tensor:
        """(1,) the id just written -> (1, V) logits of what comes next."""

    @abstractmethod
    def prefill(self, vectors: Tensor, valid: Tensor | None = None) -> Tensor:
        """(1, T, D), and (1, T) True at real tokens -> (1, V) logits behind the last; the cache holds them then."""

    @abstractmethod
    def decode(self, logits: Tensor, limit: int, stop: Iterable[int] = ()) -> Tensor:
        """(1, V) logits behind the prompt -> (1, n) ids: what `greedy` takes, `limit` at most, or up to a `stop` token.

        The cache holds all but the last of them then. The limit is at least 1.
        """


def stepping(model: Language, cache: Cache) -> Step:
    """The quick step where the model has only parts of its own, to which nobody listens; else the plain one."""
    autocast = torch.is_autocast_enabled(cache.valid.device.type)
    return fast_step(model, cache) if is_own(model) and not autocast else plain_step(model, cache)


def is_own(model: nn.Module) -> bool:
    """Whether it is a `Language` of whose parts none was exchanged, and to which nobody listens."""
    parts = [model]
    for part in parts:  # the list grows under way
        if type(part) not in OWN or part._forward_hooks or part._forward_pre_hooks:
            return False
        if type(part) is nn.Linear and part.bias is not None:
            return False
        parts.extend(part._modules.values())
    return type(model) is Language


def plain_step(model: Language, cache: Cache) -> Step:
    """`read` with a cache, one token at a time."""
    return lambda ids: model.head(model.read(model.table(ids[:, None]), None, cache)[:, -1])


def fast_step(model: Language, cache: Cache) -> Step:
    """The same for weights as they are now, without a module's call. Norms are computed in float32 or wider."""
    c, table, head = model.config, model.table.weight, model.head.weight
    wide = torch.promote_types(table.dtype, torch.float32)
    least = torch.tensor((c.width * c.eps) ** 0.5, dtype=wide, device=table.device)

    def normed(x: Tensor, scale: Tensor) -> Tensor:
        # x sqrt(D) / sqrt(|x|^2 + D eps), whose root is a hypotenuse: three sums instead of six
        length = torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=wide), least)
        return (x / length * scale).to(x.dtype)

    norms = [norm.weight for block in model.blocks for norm in (block.norm1, block.norm2)] + [model.norm.weight]
    *scales, last = (torch.stack(norms).to(wide) * c.width**0.5).unbind()
    blocks = [
        (scale1, block.attention, block.attention.qkv.weight, block.attention.out.weight.T,
         scale2, block.mlp.gate_up.weight, block.mlp.down.weight.T)
        for block, scale1, scale2 in zip(model.blocks, scales[::2], scales[1::2], strict=True)
    ]  # fmt: skip

    def step(ids: Tensor) -> Tensor:
        x, batch = F.embedding(ids, table), len(ids)  # (B, D)
        places, mask = may_read((batch, 1), None, cache, x.device)
        turn = cache.turns.at(places).to(x.dtype)
        for number, (scale1, attention, qkv, out, scale2, gate_up, down) in enumerate(blocks):
            parts = F.linear(normed(x, scale1), qkv).view(batch, -1, 1, c.head_dim)
            asking, v = parts.split_with_sizes((c.heads + c.kv_heads, c.kv_heads), dim=1)
            q, k = turn(asking).split_with_sizes((c.heads, c.kv_heads), dim=1)
            read = attention.grouped(q, *cache.extended(number, k, v), mask)
            x = torch.addmm(x, read.view(batch, -1), out)
            gate, up = F.linear(normed(x, scale2), gate_up).chunk(2, dim=-1)
            x = torch.addmm(x, F.silu(gate) * up, down)
        cache.advance(1)
        return F.linear(normed(x, last), head)

    return step
