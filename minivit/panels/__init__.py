"""A seeded world of equipment panels: one scene gives a picture, its masks, its depth, its words, its report."""

from minivit.panels.batches import Batch, batch
from minivit.panels.contrast import SWAPS, Couple, couple, levels_confused, near_misses, pair_captions, side_by_side
from minivit.panels.describe import PHRASINGS, Question, all_captions, caption, captions, questions, report
from minivit.panels.draw import PARTS, Parts, draw, draw_parts, regions
from minivit.panels.rules import Combination, combinations, right_action, split_of, split_of_code
from minivit.panels.scene import Scene, sample_scene

__all__ = [
    "PARTS",
    "PHRASINGS",
    "SWAPS",
    "Batch",
    "Combination",
    "Couple",
    "Parts",
    "Question",
    "Scene",
    "all_captions",
    "batch",
    "caption",
    "captions",
    "combinations",
    "couple",
    "draw",
    "draw_parts",
    "levels_confused",
    "near_misses",
    "pair_captions",
    "questions",
    "regions",
    "report",
    "right_action",
    "sample_scene",
    "side_by_side",
    "split_of",
    "split_of_code",
]
