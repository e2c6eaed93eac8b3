"""Choosing a token: the most likely one, or one drawn from what temperature, top-k and top-p leave.

Legend: B texts, V vocabulary. A choice is a function of logits (B, V) that gives (B,) ids.

Sources: top-k, Fan et al. 2018, section 5.4; top-p, Holtzman et al. 2020, section 3.1.
"""

import torch
from torch import Tensor


def greedy(logits: Tensor) -> Tensor:
    """(B, V) -> (B,): the most likely token; the first of them where several are equally likely."""
    return logits.argmax(dim=-1)


class Sampler:
    """Draws a token: (B, V) -> (B,). Logits are divided by `temperature`, then top-k, then top-p leave some of them.

    `top_k` keeps the k most likely tokens, `top_p` the fewest likely ones that together have a share of p. The same
    `seed` draws the same tokens. Raises ValueError for numbers that make no sense.
    """

    def __init__(self, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None, seed: int = 0):
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < 1e4:
            raise ValueError(f"the temperature is a number above 0; got {temperature!r}: for 0 pass choose=greedy")
        if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
            raise ValueError(f"top_k is a whole number of tokens, at least 1, or None; got {top_k!r}")
        if top_p is not None and (isinstance(top_p, bool) or not 0 < top_p <= 1):
            raise ValueError(f"top_p is a share above 0 and up to 1, or None; got {top_p!r}")
        self.temperature, self.top_k, self.top_p, self.seed = temperature, top_k, top_p, seed
        self._generator: torch.Generator | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, V) -> (B,)."""
        if self._generator is None:
            self._generator = torch.Generator(logits.device).manual_seed(self.seed)
        return torch.multinomial(self.shares(logits), 1, generator=self._generator)[:, 0]

    def shares(self, logits: Tensor) -> Tensor:
        """(B, V) -> (B, V): the probability with which each token is drawn; rows sum to 1."""
        logits = logits.float() / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, dim=-1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p is None:
            return logits.softmax(dim=-1)
        ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
        needless = ordered.cumsum(dim=-1) - ordered >= self.top_p  # those before it already have the share
        shares = torch.zeros_like(ordered).scatter(1, order, ordered.masked_fill(needless, 0))
        return shares / shares.sum(dim=-1, keepdim=True)
