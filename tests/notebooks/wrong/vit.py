"""Wrong answers to lesson 5's exercises."""

WRONG = {}
