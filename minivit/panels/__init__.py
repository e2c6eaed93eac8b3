"""A seeded world of equipment panels: one scene gives a picture, its masks, its depth, its words, its report."""

from .batches import Batch, batch
from .describe import PHRASINGS, Question, all_captions, caption, captions, questions, report
from .draw import PARTS, Parts, draw, draw_parts, regions
from .rules import Combination, combinations, right_action, split_of, split_of_code
from .scene import Scene, sample_scene

__all__ = [
    "PARTS",
    "PHRASINGS",
    "Batch",
    "Combination",
    "Parts",
    "Question",
    "Scene",
    "all_captions",
    "batch",
    "caption",
    "captions",
    "combinations",
    "draw",
    "draw_parts",
    "questions",
    "regions",
    "report",
    "right_action",
    "sample_scene",
    "split_of",
    "split_of_code",
]
