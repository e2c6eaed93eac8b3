"""Lesson 7's exercises: the symmetric loss, a class out of several prompts, recall that takes no luck."""

from minivit.teach.exercises.clip.loss import LOSS
from minivit.teach.exercises.clip.prompts import PROMPTS
from minivit.teach.exercises.clip.recall import RECALL

EXERCISES = {"loss": LOSS, "prompts": PROMPTS, "recall": RECALL}
