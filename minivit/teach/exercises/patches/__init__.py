"""Lesson 1's exercises: cut a picture, stitch it again, carry a convolution's weight over, keep to a token budget."""

from minivit.teach.exercises.patches.budget import BUDGET
from minivit.teach.exercises.patches.carry import CARRY
from minivit.teach.exercises.patches.cut import CUT
from minivit.teach.exercises.patches.stitch import STITCH

EXERCISES = {"cut": CUT, "stitch": STITCH, "carry": CARRY, "budget": BUDGET}
