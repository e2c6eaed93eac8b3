"""Compiled texts of many shapes, for a process in which every index is checked; with `short` as argument, a twin."""

import sys

import torch

from minivit.language import Language, LanguageConfig, compiled, generate
from minivit.language.compiled import compiled_step

if "short" in sys.argv:
    compiled.LANES = 0  # room for fewer numbers than a register takes
for hidden, heads, kv_heads in ((3, 2, 1), (8, 3, 3), (40, 1, 1)):
    torch.manual_seed(0)
    config = LanguageConfig(37, 300, 12, depth=2, heads=heads, kv_heads=kv_heads, hidden=hidden)
    model = Language(config).double().eval()
    for count, limit in ((1, 1), (2, 1), (2, 3), (17, 2), (270, 30)):
        prompt, valid = torch.arange(count)[None] % 37, (torch.arange(count) >= count // 3)[None]
        options = {"limit": limit, "valid": valid}
        told = generate(model, prompt, stepping=compiled_step, **options).ids
        assert torch.equal(told, generate(model, prompt, **options).ids)
