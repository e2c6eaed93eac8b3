"""Lesson 5's exercises: shapes with prefix tokens, a mean under a mask, weights carried over, weights counted."""

from minivit.teach.exercises.vit.carry import CARRY
from minivit.teach.exercises.vit.masked_mean import MASKED_MEAN
from minivit.teach.exercises.vit.parameters import PARAMETERS
from minivit.teach.exercises.vit.tokens import TOKENS

EXERCISES = {"tokens": TOKENS, "masked_mean": MASKED_MEAN, "carry": CARRY, "parameters": PARAMETERS}
