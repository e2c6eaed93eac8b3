"""Lesson 4's exercises: the norm, the block around it, and the drawing of lots over its branches."""

from minivit.teach.exercises.blocks.block import BLOCK
from minivit.teach.exercises.blocks.drop_path import DROP_PATH
from minivit.teach.exercises.blocks.layer_norm import LAYER_NORM

EXERCISES = {"layer_norm": LAYER_NORM, "block": BLOCK, "drop_path": DROP_PATH}
