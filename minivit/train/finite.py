"""NaN and infinity, found where they enter: one such pixel makes every weight NaN one step later."""

import math

import torch
from torch import Tensor


def refuse_not_finite(values: Tensor, where: str) -> None:
    """(M, ...) of any type: raise ValueError if a picture holds NaN or infinity, with the first one's index."""
    if values.numel() == 0 or not (values.is_floating_point() or values.is_complex()):
        return
    if torch.isfinite(values.sum()):  # one pass without a copy; only NaN, infinity or a huge sum needs a closer look
        return
    bad = ~torch.isfinite(values)
    if bad.any():
        rows = bad.reshape(len(values), -1).any(dim=1) if values.ndim else bad.reshape(1)
        first = int(rows.nonzero()[0])
        kind = "NaN" if values[first].isnan().any() else "an infinite value"
        others = f" ({int(rows.sum())} of {len(rows)} do)" if rows.sum() > 1 else ""
        raise ValueError(f"picture {first} of {where} holds {kind}{others}: mend it or leave it out")


def refuse_explosion(loss: float, length: float, step: int, rate: float) -> None:
    """Raise ValueError if the loss or the length of the gradient is NaN or infinite, before a weight has moved."""
    if not (math.isfinite(loss) and math.isfinite(length)):
        what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's length is {length}"
        raise ValueError(
            f"{what} in step {step}, at a learning rate of {rate:.2e}; the weights are as the step before left them. "
            f"Start again with a third of the rate, a longer warm-up or a smaller clip; look for divisions and "
            f"logarithms of 0 in the loss"
        )
