"""A causal language model in the Llama manner: what comes next, given all that came before?

Legend: B texts, T tokens, S tokens read so far (S = T without a cache), D width, V vocabulary, heads query heads,
kv_heads key and value heads, groups = heads / kv_heads, head_dim = D / heads.

It differs from the encoder of `blocks` in five places: a causal mask; norms without a mean and without a bias; places
that turn queries and keys instead of being added; an MLP with a gate; and fewer key and value heads than query heads,
because a cache holds those.

Sources: Touvron et al. 2023 (LLaMA), section 2.2; Zhang and Sennrich 2019 (RMSNorm), equation 4; Shazeer 2020
(SwiGLU), equation 6; Ainslie et al. 2023 (grouped queries), section 2.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.attention import attend_fast, causal, products_are_quicker
from minivit.language.cache import Cache, may_read
from minivit.language.rotary import Turn, rotary
from minivit.patches import _tensor, _whole

Keep = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
After = Callable[[int, Tensor], Tensor]
ALL, LAST = slice(None), slice(-1, None)  # of the tokens


@dataclass(frozen=True)
class LanguageConfig:
    """The numbers of a language model; LLaMA 7B unless told. Raises ValueError for nonsense, with the remedy."""

    vocabulary: int = 32_000
    context: int = 2_048  # tokens that are read and written together, at most
    width: int = 4_096
    depth: int = 32
    heads: int = 32
    kv_heads: int | None = None  # None: as many as heads
    hidden: int = 11_008  # the MLP's inner width
    eps: float = 1e-5
    theta: float = 10_000.0  # the slowest pair of numbers turns about theta times slower than the first
    tied: bool = False  # the table of tokens is the last map too

    def __post_init__(self):
        object.__setattr__(self, "kv_heads", self.heads if self.kv_heads is None else self.kv_heads)
        for name, unit in (
            ("vocabulary", "tokens"), ("context", "tokens"), ("width", "values"), ("depth", "blocks"),
            ("heads", "heads"), ("kv_heads", "heads"), ("hidden", "values"),
        ):  # fmt: skip
            _whole(getattr(self, name), name, unit)
        if self.heads % self.kv_heads or self.width % (2 * self.heads):
            raise ValueError(
                f"key and value heads divide the heads, and heads divide the width into even parts, whose numbers turn "
                f"in pairs; got width {self.width}, {self.heads} heads, {self.kv_heads} key and value heads"
            )
        for name, value, least in (("eps", self.eps, 0.0), ("theta", self.theta, 1.0)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not least < value < float("inf"):
                raise ValueError(f"{name} must be a number above {least:g}; got {value!r}")

    @property
    def head_dim(self) -> int:
        """The numbers that each head works in, D / heads."""
        return self.width // self.heads

    def cache_bytes(self, batch: int, length: int, each: int = 2) -> int:
        """What a `Cache` for so many texts and tokens takes, at `each` bytes a number (2 in half precision)."""
        return 2 * self.depth * batch * self.kv_heads * length * self.head_dim * each


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """(..., D) -> (..., D): every token to a mean square of 1, then scaled. The mean stays, and there is no bias."""
    wide = x if x.dtype == torch.float64 else x.float()
    return (wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + eps)).to(x.dtype) * weight


class RMSNorm(nn.Module):
    """`rms_norm` with a learned scale, by torch's own form of it: (..., D) -> (..., D)."""

    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


def attend_one(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """`attend_fast` where one token of each text asks: to look at what is given would take as long as the attention.

    (B, kv_heads, groups, head_dim), twice (B, kv_heads, S, head_dim), (1 or B, 1, 1, S) -> the shape of q.
    """
    if v.dtype != torch.bfloat16 or v.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    # without AMX a CPU's fused kernel is so slow in bfloat16 that copies in float32 are the shorter way
    return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask).to(v.dtype)


class CausalAttention(nn.Module):
    """Attention whose query heads share keys and values in groups: (B, T, D) -> (B, T, D). No biases."""

    def __init__(self, width: int, heads: int, kv_heads: int):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, width // heads
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * self.head_dim, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, x: Tensor, turn: Turn, mask: Tensor | None = None, keep: Keep | None = None, asking: slice = ALL
    ) -> Tensor:
        """(B, T, D) -> (B, asking, D). `keep` takes the new keys and values and gives back all S of them.

        Without a mask order alone hides: a token reads itself and what came before it. All S tokens are new then, or
        the last one asks alone.
        """
        q, k, v = self.queries_keys_values(x, turn)
        k, v = (k, v) if keep is None else keep(k, v)
        if asking != ALL:
            mask = causal(x.shape[1], x.device)[None, None] if mask is None and asking != LAST else mask
            q, mask = q[:, :, asking], mask if mask is None else mask[:, :, asking]
        return self.out(self.grouped(q, k, v, mask).transpose(1, 2).flatten(2))

    def queries_keys_values(self, x: Tensor, turn: Turn) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) -> (B, heads, T, head_dim), turned, and twice (B, kv_heads, T, head_dim), the keys turned."""
        parts = self.qkv(x).view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)
        asking, v = parts.split_with_sizes((self.heads + self.kv_heads, self.kv_heads), dim=1)
        q, k = turn(asking).split_with_sizes((self.heads, self.kv_heads), dim=1)
        return q, k, v

    def grouped(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, heads, T, head_dim), twice (B, kv_heads, S, head_dim), (1 or B, 1, T, S) -> (B, heads, T, head_dim).

        The queries of a group stand below each other as rows of one product, so keys and values are never copied.
        Without a mask order alone hides; all S tokens are new then, or one asks and may read them all.
        """
        groups, count = self.heads // self.kv_heads, q.shape[2]
        attend = attend_fast if count > 1 else attend_one
        if mask is None and count > 1:
            if groups == 1 and count == k.shape[2] and not products_are_quicker(q, k, v):
                return F.scaled_dot_product_attention(q, k, v, is_causal=True)  # half of the work, and no table
            mask = causal(count, q.device)[None, None]
        if groups == 1:
            return attend(q, k, v, mask)
        rows = q.reshape(len(q), self.kv_heads, groups * count, self.head_dim)
        if mask is not None and count > 1:
            mask = mask.repeat(1, 1, groups, 1)
        return attend(rows, k, v, mask).reshape(q.shape)


class SwiGLU(nn.Module):
    """An MLP whose one half opens or shuts the other: (..., D) -> (..., D). No biases."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate_up, self.down = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class CausalBlock(nn.Module):
    """Attention to what came before, then an MLP, both added to the stream: (B, T, D) -> (B, T, D).

    Where only some tokens are `asking`, all are read, and the stream goes on with those.
    """

    def __init__(self, config: LanguageConfig):
        super().__init__()
        c = config
        self.norm1, self.norm2 = RMSNorm(c.width, c.eps), RMSNorm(c.width, c.eps)
        self.attention, self.mlp = CausalAttention(c.width, c.heads, c.kv_heads), SwiGLU(c.width, c.hidden)

    def forward(
        self, x: Tensor, turn: Turn, mask: Tensor | None = None, keep: Keep | None = None, asking: slice = ALL
    ) -> Tensor:
        """(B, T, D) -> (B, asking, D)."""
        found = self.attention(self.norm1(x), turn, mask, keep, asking)
        x = (x if asking == ALL else x[:, asking]) + found
        return x + self.mlp(self.norm2(x))


class Language(nn.Module):
    """(B, T) ids -> (B, T, V) logits: after each token, how likely each token is to be the next.

    `embed` makes vectors of ids, `read` works on vectors, wherever they come from, and `head` makes logits of them. The
    bridge of lesson 12 puts vectors of a picture among those of the words, and needs nothing else.
    """

    def __init__(self, config: LanguageConfig):
        super().__init__()
        if not isinstance(config, LanguageConfig):
            raise ValueError(f"a Language is built from a LanguageConfig, for example LanguageConfig(); got {config!r}")
        c = self.config = config
        self.table = nn.Embedding(c.vocabulary, c.width)
        self.blocks = nn.ModuleList(CausalBlock(c) for _ in range(c.depth))
        self.norm = RMSNorm(c.width, c.eps)
        self.head = nn.Linear(c.width, c.vocabulary, bias=False)
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
        if c.tied:
            self.head.weight = self.table.weight

    def forward(self, ids: Tensor, valid: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """(B, T) -> (B, T, V). `valid` (B, T) is True at real tokens; with a cache, ids follow what it holds."""
        return self.head(self.read(self.embed(ids), valid, cache))

    def embed(self, ids: Tensor) -> Tensor:
        """(B, T) whole numbers -> (B, T, D)."""
        c = self.config
        if _tensor(ids, "ids").ndim != 2 or ids.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"ids are (B, T) whole numbers, int64; got {ids.dtype} of shape {tuple(ids.shape)}")
        if ids.numel() and not ids.is_meta:
            least, most = map(int, ids.aminmax())
            if least < 0 or most >= c.vocabulary:
                raise ValueError(
                    f"the vocabulary has ids 0 to {c.vocabulary - 1}; got {least} to {most}: take the model's own "
                    f"tokenizer, and replace marks of images by their vectors first (see `bridge.splice`)"
                )
        return self.table(ids)

    def read(
        self,
        vectors: Tensor,
        valid: Tensor | None = None,
        cache: Cache | None = None,
        after: After | None = None,
        asking: slice = ALL,
    ) -> Tensor:
        """(B, T, D) -> (B, asking, D): what the blocks make of the vectors, normed; `head` makes logits of it.

        `asking` says of which tokens one wants to know. In the last block nobody reads the others any more, so they
        pass it as keys and values alone: who writes after a prompt asks for `LAST`, which is `slice(-1, None)`.

        Places are counted over real tokens, so padding on the left, or between turns, moves nothing. `after`, called
        with a block's number and the stream behind it, gives the stream for the next one. Raises ValueError for vectors
        of another width, and for more tokens than the context or the cache has room for.
        """
        self.check(vectors, valid, cache)
        vectors, count = _halved(vectors), vectors.shape[1]
        places, mask = may_read(vectors.shape[:2], valid, cache, vectors.device)
        turn = rotary(places, self.config.head_dim, self.config.theta) if cache is None else cache.turns.at(places)
        turn = turn.to(vectors.dtype)
        for number, block in enumerate(self.blocks):
            keep = None if cache is None else partial(cache.extended, number)
            vectors = block(vectors, turn, mask, keep, asking if number + 1 == len(self.blocks) else ALL)
            vectors = vectors if after is None else after(number, vectors)
        if cache is not None:
            cache.advance(count)
        return self.norm(vectors)

    def check(self, vectors: Tensor, valid: Tensor | None, cache: Cache | None) -> None:
        """ValueError unless vectors are (B, T, D), there is room for them, and valid is boolean (B, T)."""
        c = self.config
        if vectors.ndim != 3 or vectors.shape[-1] != c.width or vectors.shape[1] < 1:
            raise ValueError(f"expected vectors (B, T, {c.width}), T at least 1; got shape {tuple(vectors.shape)}")
        if cache is not None and len(cache.keys) != c.depth:
            raise ValueError(f"the cache is for {len(cache.keys)} blocks, and the model has {c.depth}: see `Cache.of`")
        read = 0 if cache is None else cache.filled
        room = c.context if cache is None else min(c.context, cache.length)
        if read + vectors.shape[1] > room:
            over = read + vectors.shape[1] - room
            raise ValueError(
                f"{vectors.shape[1]} tokens after {read} are {over} more than the {room} there is room for (context "
                f"{c.context}): shorten the prompt by {over}, or take fewer slots an image (see `bridge.Budget`)"
            )
        if valid is not None and (valid.dtype != torch.bool or valid.shape != vectors.shape[:2]):
            raise ValueError(
                f"valid is boolean (B, T) = {tuple(vectors.shape[:2])}, True at real tokens; got {valid.dtype} of "
                f"shape {tuple(valid.shape)}"
            )


def _halved(vectors: Tensor) -> Tensor:
    """A table is no product, so autocast leaves it alone: the stream is put in half precision here, as in the ViT."""
    kind = vectors.device.type
    on = kind != "meta" and torch.is_autocast_enabled(kind)
    return vectors.to(torch.get_autocast_dtype(kind)) if on else vectors
