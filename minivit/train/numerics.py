"""Precision: half the bits where the hardware computes with them, and faster float32 where nothing is lost by it.

bfloat16 keeps float32's range and 8 of its 24 significant bits. Under autocast the weights stay float32; only the
large products are computed in bfloat16. A processor without bfloat16 instructions emulates them and is slower than in
float32, so "auto" takes them only where they exist.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

SWITCH = "MINIVIT_PRECISION"  # the environment variable; "fp32" switches bfloat16 off


class Precision(NamedTuple):
    """What large products are computed in, where, and why."""

    dtype: torch.dtype  # bfloat16 or float32
    device: torch.device
    why: str

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} on {self.device.type}: {self.why}"

    def autocast(self, enabled: bool = True) -> torch.autocast:
        """The context that computes so, or with `enabled=False` the one that keeps every tensor's own type."""
        # Autocast's cache of rounded weights is emptied only when the outermost context ends. A loop that updates the
        # weights inside the context would go on computing with the first ones.
        enabled = enabled and self.dtype == torch.bfloat16
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled, cache_enabled=False)


@contextmanager
def precision(choice: str = "auto", device: torch.device | str | None = None) -> Iterator[Precision]:
    """`with precision("auto") as used:` computes in bfloat16 where the hardware has it; `str(used)` says what and why.

    `choice` is "auto", "bf16" or "fp32"; without `device`, the first GPU if there is one. The environment variable
    MINIVIT_PRECISION=fp32 goes before any choice. On x86 processors without AMX, float32 products move to a
    faster library at unchanged accuracy; the setting that does it is global, and is put back when the context ends,
    however it ends. Call `backward` inside, under `used.autocast(False)`. Raises ValueError for another choice, or for
    "bf16" where it would be emulated.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    used, before = _chosen(choice, torch.device(device)), torch.get_float32_matmul_precision()
    try:
        if used.device.type == "cpu" and _medium_keeps_float32():
            torch.set_float32_matmul_precision("medium")
        with used.autocast():
            yield used
    finally:
        torch.set_float32_matmul_precision(before)


def _chosen(choice: str, device: torch.device) -> Precision:
    if choice not in ("auto", "bf16", "fp32"):
        raise ValueError(f'precision is "auto", "bf16" or "fp32"; got {choice!r}')
    forced = os.environ.get(SWITCH, "")
    if forced not in ("", "auto", "fp32"):
        raise ValueError(f'the environment variable {SWITCH} may be "fp32" or unset; it is {forced!r}')
    if forced == "fp32":
        return Precision(torch.float32, device, f"{SWITCH}=fp32")
    if choice == "fp32":
        return Precision(torch.float32, device, "as asked")
    has, why = _bfloat16(device)
    if choice == "bf16" and not has:
        raise ValueError(f'bf16 was asked for, but {why}: choose precision="auto" or "fp32"')
    return Precision(torch.bfloat16 if has else torch.float32, device, why)


def _bfloat16(device: torch.device) -> tuple[bool, str]:
    """Whether the hardware itself computes in bfloat16, and the reason."""
    if device.type == "cuda":
        # Unless told not to, torch counts emulation as support.
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        return has, "the GPU has bfloat16" if has else "the GPU would only emulate bfloat16"
    if device.type != "cpu":
        return False, f"bfloat16 is not tried on {device.type}"
    if torch.cpu._is_amx_tile_supported():
        return True, "the processor has AMX"
    if torch.cpu._is_avx512_bf16_supported():
        return True, "the processor has avx512_bf16"
    return False, "the processor has neither avx512_bf16 nor AMX"


def _medium_keeps_float32() -> bool:
    """Whether "medium" only changes the library of float32 products: on x86, unless AMX lets it round to bfloat16."""
    return platform.machine().lower() in ("x86_64", "amd64") and not torch.cpu._is_amx_tile_supported()
