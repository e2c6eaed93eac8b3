"""Reading: how much every place reads of every other, block by block and head by head.

Legend: B texts, T tokens, D width, heads query heads, kv_heads key and value heads, groups = heads / kv_heads.

A model never has these weights: its fused attention gives only what came of them. Here they are made again, by the
plain equation, from what each block really got. A weight says where numbers were taken from. It does not say why, nor
what would have been written without them. Jain and Wallace 2019 (section 4.2) found, in recurrent models of text, very
different weights with the same answer.
"""

import torch
from torch import Tensor

from minivit.attention import Attended, attend, causal
from minivit.language.cache import may_read
from minivit.language.model import CausalAttention, Language
from minivit.language.rotary import Turn, rotary


@torch.no_grad()
def readings(model: Language, vectors: Tensor, valid: Tensor | None = None) -> tuple[Tensor, ...]:
    """(B, T, D) -> for each block (B, heads, T, T): row t says how much place t read of each place up to t.

    Rows sum to 1, but for padding, where `valid` (B, T) is False: its rows are of no account. What stands at t + 1 was
    chosen at t. Raises ValueError as `Language.read` does.
    """
    got = [vectors]

    def noted(number: int, stream: Tensor) -> Tensor:
        got.append(stream)
        return stream

    model.read(vectors, valid, after=noted)
    places, mask = may_read(vectors.shape[:2], valid, None, vectors.device)
    turn = rotary(places, model.config.head_dim, model.config.theta).to(vectors.dtype)
    return tuple(
        attended(block.attention, block.norm1(stream), turn, mask).weights
        for block, stream in zip(model.blocks, got[:-1], strict=True)
    )


def attended(attention: CausalAttention, x: Tensor, turn: Turn, mask: Tensor | None = None) -> Attended:
    """(B, T, D) -> the output of `attention`, (B, T, D), by the plain form, and the weights (B, heads, T, T).

    Without a mask order alone hides, as in `attention`.
    """
    mask = causal(x.shape[1], x.device) if mask is None else mask
    q, k, v = attention.queries_keys_values(x, turn)
    groups = attention.heads // attention.kv_heads
    output, weights = attend(q, *(t.repeat_interleave(groups, dim=1) for t in (k, v)), mask)
    return Attended(attention.out(output.transpose(1, 2).flatten(2)), weights)
