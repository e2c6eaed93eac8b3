"""The schedule: the rate rises from nearly nothing, then falls to nothing along half a cosine.

Warm-up: the first gradients point anywhere, and AdamW's averages have seen too few of them to scale a full step.
Cosine: large steps find the valley, small ones its bottom. Source: Loshchilov & Hutter 2017, section 3, without
restarts.
"""

import math


def cosine(step: int, steps: int, warmup: float = 0.05) -> float:
    """The factor, in (0, 1], by which step `step` of `steps` (counted from 0) multiplies every base rate.

    `warmup` is a share of the steps, from 0 to below 1: so many rise in equal parts to 1. After the last step the
    factor would be 0. Raises ValueError for steps, step or warm-up out of range.
    """
    rising = warmup_steps(steps, warmup)
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is not one of {steps}: they are counted from 0 to {steps - 1}")
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def warmup_steps(steps: int, warmup: float) -> int:
    """How many of the steps rise: the share, rounded, and never all of them."""
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps must be a whole number, at least 1; got {steps!r}")
    if not 0 <= warmup < 1:
        raise ValueError(
            f"warmup is a share of the steps, from 0 to below 1; got {warmup!r}. For 20 of {steps} steps write "
            f"20 / {steps}"
        )
    return min(round(warmup * steps), steps - 1)
