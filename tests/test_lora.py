"""LoRA: starts as nothing, learns alone, and becomes one with its map."""

import pytest
import torch
from torch import nn

from minivit.language import Language, LanguageConfig
from minivit.lora import LoRA, add_lora, merge_lora

CONFIG = LanguageConfig(vocabulary=17, context=12, width=16, depth=2, heads=2, hidden=20)


def model():
    torch.manual_seed(0)
    return Language(CONFIG).double()


def test_it_starts_as_nothing_and_only_the_pairs_learn():
    plain, ids = model(), torch.arange(10).reshape(2, 5)
    adapted = add_lora(model(), rank=3)
    assert torch.equal(adapted(ids), plain(ids))
    learning = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert learning and all(name.endswith((".up", ".down")) and "lora" not in name for name in learning)
    assert len(learning) == 2 * 2 * 4  # two blocks, four maps each, a pair for each map
    adapted(ids).square().mean().backward()
    assert all(weight.grad is None for weight in adapted.parameters() if not weight.requires_grad)


def test_merged_it_is_one_map_with_the_same_output():
    ids = torch.arange(10).reshape(2, 5)
    adapted = add_lora(model(), rank=3, alpha=7.0)
    for module in adapted.modules():
        if isinstance(module, LoRA):
            nn.init.normal_(module.up)
    before = adapted(ids)
    merged = merge_lora(adapted)
    assert torch.allclose(merged(ids), before, atol=1e-10)
    assert not torch.allclose(before, model()(ids), atol=1e-3)
    assert merged.state_dict().keys() == model().state_dict().keys()
    assert all(weight.requires_grad for weight in merged.parameters())


def test_the_scale_is_alpha_by_rank():
    one = LoRA(nn.Linear(6, 5, bias=False), 2, alpha=8.0)
    nn.init.ones_(one.up)
    x = torch.randn(4, 6)
    expected = x @ one.linear.weight.T + 4.0 * (x @ one.down.T) @ one.up.T
    assert torch.allclose(one(x), expected, atol=1e-6)


def test_the_change_has_the_rank():
    one = LoRA(nn.Linear(6, 5), 2)
    nn.init.normal_(one.up)
    before = one.linear.weight.clone()
    assert torch.linalg.matrix_rank(one.merged().weight - before) == 2


def test_mistakes_are_told():
    with pytest.raises(ValueError, match="rank of 5 saves nothing beside a map of 6 to 5: choose one below 5"):
        LoRA(nn.Linear(6, 5), 5)
    with pytest.raises(ValueError, match="stands beside an nn"):
        LoRA(nn.Embedding(3, 4), 1)
    with pytest.raises(ValueError, match="has LoRA already"):
        add_lora(add_lora(model(), rank=3))
    with pytest.raises(ValueError, match="no linear map"):
        add_lora(nn.Embedding(3, 4))
