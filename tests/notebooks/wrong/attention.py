"""Wrong answers to lesson 3's exercises."""

WRONG = {}
