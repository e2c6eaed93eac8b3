"""Wrong answers to lesson 2's exercises."""

WRONG = {}
