"""From pixels to words: mergers, projectors, splicing, a way to look again, what it costs, the whole bridge."""

from minivit.bridge.budget import Budget
from minivit.bridge.crossing import GatedCrossAttention, LookAgain
from minivit.bridge.merging import (
    AveragePool,
    CrossAttention,
    Keep,
    PixelShuffle,
    Resampler,
    linear_projector,
    two_layer_projector,
)
from minivit.bridge.model import Answered, Bridge, Seen, first_stage, second_stage
from minivit.bridge.splicing import Spliced, answer_loss, splice

__all__ = [
    "Answered",
    "AveragePool",
    "Bridge",
    "Budget",
    "CrossAttention",
    "GatedCrossAttention",
    "Keep",
    "LookAgain",
    "PixelShuffle",
    "Resampler",
    "Seen",
    "Spliced",
    "answer_loss",
    "first_stage",
    "linear_projector",
    "second_stage",
    "splice",
    "two_layer_projector",
]
