"""NaN and infinity, found where they enter: one such pixel makes every weight NaN one step later."""

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
