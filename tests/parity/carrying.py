"""Weights carried between minivit's ViT and its peers': a table of names for each peer, strict both ways.

A row says which of our tensors stand for which of theirs. Where they are cut or ordered otherwise it has a map here and
one back there. A tensor that no row names, or a row that finds nothing, is an error.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minivit.patches import conv_from_linear, linear_from_conv


class Row(NamedTuple):
    """Our names, their names, and what makes each out of the other."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    here: Callable = lambda *tensors: tensors
    there: Callable = lambda *tensors: tensors


def carried(state: dict[str, Tensor], table: list[Row], back: bool = False) -> dict[str, Tensor]:
    """Their state dict as ours, or with `back` ours as theirs."""
    left, result = dict(state), {}
    for row in table:
        source, target, change = (row.ours, row.theirs, row.there) if back else (row.theirs, row.ours, row.here)
        result |= dict(zip(target, change(*(left.pop(name) for name in source)), strict=True))
    if left:
        raise KeyError(f"no row names {sorted(left)}")
    return result


def carry(ours: nn.Module, theirs: nn.Module, table: list[Row]) -> None:
    """Their weights into our model; checks that ours fit theirs too, and come back as they were."""
    mine = carried(theirs.state_dict(), table)
    ours.load_state_dict(mine, strict=True)
    there = carried(mine, table, back=True)
    theirs.load_state_dict(there, strict=True)
    assert all(torch.equal(value, mine[name]) for name, value in carried(theirs.state_dict(), table).items())


def shaken(model: nn.Module, seed: int = 0) -> nn.Module:
    """No weight at a special value: biases of zero and scales of one hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter) * 0.1)
    return model.eval()


# Kinds of rows


def linear(ours: str, theirs: str, *kinds: str) -> list[Row]:
    """weight and bias under another name."""
    return [Row((f"{ours}.{kind}",), (f"{theirs}.{kind}",)) for kind in kinds or ("weight", "bias")]


def stacked(ours: str, *theirs: str) -> list[Row]:
    """Several maps of theirs are one of ours, one above the other."""
    return [
        Row(
            (f"{ours}.{kind}",),
            tuple(f"{name}.{kind}" for name in theirs),
            lambda *parts: (torch.cat(parts),),
            lambda whole: whole.chunk(len(theirs)),
        )
        for kind in ("weight", "bias")
    ]


def stacked_weights(ours: str, *theirs: str) -> list[Row]:
    """The same without biases."""
    return [row for row in stacked(ours, *theirs) if row.ours[0].endswith("weight")]


def convolution(theirs: str, patch: int) -> list[Row]:
    """Their patch projection is a convolution, ours a linear map of (row, column, channel)."""
    weight = Row(
        ("stem.projection.weight",),
        (f"{theirs}.weight",),
        lambda w: (linear_from_conv(w),),
        lambda w: (conv_from_linear(w, patch),),
    )
    return [weight, Row(("stem.projection.bias",), (f"{theirs}.bias",))]


def places(position: str, *prefix: str, placed: int) -> list[Row]:
    """Their table is (1, placed + N, D), with places for the first prefix tokens; ours adds those to the tokens."""

    def here(table, *tokens):
        joined = torch.cat(tokens, dim=1)[0]
        joined[:placed] += table[0, :placed]
        return joined, table[0, placed:]

    def there(joined, table):
        tokens = joined.split([1, len(joined) - 1] if len(prefix) == 2 else [len(joined)])
        return torch.cat([torch.zeros_like(joined[:placed]), table])[None], *(part[None] for part in tokens)

    return [Row(("prefix", "positions.table"), (position, *prefix), here, there)]


def bare(position: str, width: int) -> list[Row]:
    """Their table is (N, D) or (1, N, D), and there are no prefix tokens."""
    return [
        Row(
            ("prefix", "positions.table"),
            (position,),
            lambda table: (table.new_zeros(0, width), table),
            lambda _, table: (table,),
        )
    ]


def blocks(depth: int, theirs: str, names: dict[str, str | tuple[str, ...]]) -> list[Row]:
    """The rows of every block: our part -> their part, or the three parts that we stack."""
    rows = []
    for i in range(depth):
        for ours, other in names.items():
            parts = tuple(f"{theirs}.{i}.{name}" for name in ([other] if isinstance(other, str) else other))
            mine = f"encoder.blocks.{i}.{ours}"
            rows += stacked(mine, *parts) if len(parts) > 1 else linear(mine, parts[0])
    return rows


# The tables

ATTENTION = tuple(f"attention.{letter}_proj" for letter in "qkv")
SELF_ATTENTION = tuple(f"self_attn.{letter}_proj" for letter in "qkv")


def transformers_vit(depth: int, patch: int, start: str = "") -> list[Row]:
    """transformers' ViTModel without a pooler; `start` is "vit." in ViTForImageClassification."""
    names = {
        "norm1": "layernorm_before",
        "attention.qkv": ATTENTION,
        "attention.out": "attention.o_proj",
        "norm2": "layernorm_after",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    }
    embeddings = f"{start}embeddings"
    return [
        *convolution(f"{embeddings}.patch_embeddings.projection", patch),
        *places(f"{embeddings}.position_embeddings", f"{embeddings}.cls_token", placed=1),
        *blocks(depth, f"{start}layers", names),
        *linear("encoder.norm", f"{start}layernorm"),
    ]


def dinov2(depth: int, patch: int) -> list[Row]:
    """transformers' Dinov2WithRegistersModel: layer scale, and registers that have no place."""
    names = {
        "norm1": "norm1",
        "attention.qkv": ATTENTION,
        "attention.out": "attention.o_proj",
        "norm2": "norm2",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    }
    scales = [
        Row((f"encoder.blocks.{i}.scale{n}.weight",), (f"encoder.layer.{i}.layer_scale{n}.lambda1",))
        for i in range(depth)
        for n in (1, 2)
    ]
    return [
        *convolution("embeddings.patch_embeddings.projection", patch),
        *places("embeddings.position_embeddings", "embeddings.cls_token", "embeddings.register_tokens", placed=1),
        *blocks(depth, "encoder.layer", names),
        *scales,
        *linear("encoder.norm", "layernorm"),
    ]


def siglip(depth: int, patch: int, width: int) -> list[Row]:
    """transformers' SiglipVisionModel: no prefix token, and a pool whose attention is torch's own layer."""
    names = {
        "norm1": "layer_norm1",
        "attention.qkv": SELF_ATTENTION,
        "attention.out": "self_attn.out_proj",
        "norm2": "layer_norm2",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    }
    asked = [
        Row(
            (f"pool.query.{kind}", f"pool.key_value.{kind}"),
            (f"head.attention.in_proj_{kind}",),
            lambda whole: (whole[:width], whole[width:]),
            lambda query, key_value: (torch.cat([query, key_value]),),
        )
        for kind in ("weight", "bias")
    ]
    return [
        *convolution("embeddings.patch_embedding", patch),
        *bare("embeddings.position_embedding.weight", width),
        *blocks(depth, "encoder.layers", names),
        *linear("encoder.norm", "post_layernorm"),
        Row(("pool.probe",), ("head.probe",)),
        *asked,
        *linear("pool.out", "head.attention.out_proj"),
        *linear("pool.norm", "head.layernorm"),
        *linear("pool.mlp.up", "head.mlp.fc1"),
        *linear("pool.mlp.down", "head.mlp.fc2"),
    ]


def text(depth: int, start: str, head: str, *kinds: str) -> list[Row]:
    """transformers' CLIPTextModelWithProjection, SiglipTextModel and Siglip2TextModel, which have the same parts."""
    names = {
        "norm1": "layer_norm1",
        "attention.qkv": SELF_ATTENTION,
        "attention.out": "self_attn.out_proj",
        "norm2": "layer_norm2",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    }
    return [
        Row(("embed.weight",), (f"{start}embeddings.token_embedding.weight",)),
        Row(("positions",), (f"{start}embeddings.position_embedding.weight",)),
        *blocks(depth, f"{start}encoder.layers", names),
        *linear("encoder.norm", f"{start}final_layer_norm"),
        *linear("head", head, *kinds),
    ]


def llama(depth: int, heads: int, kv_heads: int, tied: bool, start: str = "model.") -> list[Row]:
    """transformers' LlamaForCausalLM; with `tied` its last map is its table, under both names."""
    shares = (heads, kv_heads, kv_heads)

    def parted(whole):
        head_dim = len(whole) // sum(shares)
        return whole.split([share * head_dim for share in shares])

    rows = []
    for i in range(depth):
        ours, theirs = f"blocks.{i}", f"{start}layers.{i}"
        names = tuple(f"{theirs}.self_attn.{letter}_proj.weight" for letter in "qkv")
        rows += [
            Row((f"{ours}.attention.qkv.weight",), names, lambda *parts: (torch.cat(parts),), parted),
            *linear(f"{ours}.attention.out", f"{theirs}.self_attn.o_proj", "weight"),
            *linear(f"{ours}.norm1", f"{theirs}.input_layernorm", "weight"),
            *linear(f"{ours}.norm2", f"{theirs}.post_attention_layernorm", "weight"),
            *stacked_weights(f"{ours}.mlp.gate_up", f"{theirs}.mlp.gate_proj", f"{theirs}.mlp.up_proj"),
            *linear(f"{ours}.mlp.down", f"{theirs}.mlp.down_proj", "weight"),
        ]
    return [
        *linear("table", f"{start}embed_tokens", "weight"),
        *rows,
        *linear("norm", f"{start}norm", "weight"),
        *linear("head", "lm_head", "weight"),
    ]


def timm(depth: int, patch: int, *, registers: int, placed: int, scales: bool, norm: str = "norm") -> list[Row]:
    """timm's VisionTransformer. Its class token and registers have places unless it is told no_embed_class."""
    names = {
        "norm1": "norm1",
        "attention.qkv": "attn.qkv",
        "attention.out": "attn.proj",
        "norm2": "norm2",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    }
    gammas = [
        Row((f"encoder.blocks.{i}.scale{n}.weight",), (f"blocks.{i}.ls{n}.gamma",))
        for i in range(depth if scales else 0)
        for n in (1, 2)
    ]
    tokens = ("cls_token", "reg_token") if registers else ("cls_token",)
    return [
        *convolution("patch_embed.proj", patch),
        *places("pos_embed", *tokens, placed=placed),
        *blocks(depth, "blocks", names),
        *gammas,
        *linear("encoder.norm", norm),
    ]
