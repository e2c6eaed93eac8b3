"""Small trained models that ship with minivit, each with its recipe and its measured scores.

    model, tokenizer, card = minivit.zoo.load("clip-panels")

`matching` is the recipe of the CLIP that lessons 7 and 8 train, `shelf` how weights are kept and checked. `make zoo`
trains them all again from nothing.
"""

from minivit.zoo.shelf import Trained, card, load, names

__all__ = ["Trained", "card", "load", "names"]
