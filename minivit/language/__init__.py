"""A causal language model: what it is, its cache, how it chooses and writes."""

from minivit.language.cache import Cache
from minivit.language.model import (
    CausalAttention,
    CausalBlock,
    Language,
    LanguageConfig,
    RMSNorm,
    SwiGLU,
    rms_norm,
)
from minivit.language.pieces import Dialogue, Exchange, Pieces, dialogue
from minivit.language.reading import readings
from minivit.language.rotary import Turn, rotary
from minivit.language.sampling import Sampler, greedy
from minivit.language.writing import Written, generate, left_padded, stream

__all__ = [
    "Cache",
    "CausalAttention",
    "CausalBlock",
    "Dialogue",
    "Exchange",
    "Language",
    "LanguageConfig",
    "Pieces",
    "RMSNorm",
    "Sampler",
    "SwiGLU",
    "Turn",
    "Written",
    "dialogue",
    "generate",
    "greedy",
    "left_padded",
    "readings",
    "rms_norm",
    "rotary",
    "stream",
]
