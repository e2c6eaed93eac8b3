"""Whole CLIP and SigLIP models equal transformers': both towers, the logits, the loss, the gradient by the pixels."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import carrying  # noqa: E402

from benchmarks import peers  # noqa: E402
from minivit.clip import CLIP, clip_loss  # noqa: E402
from minivit.pooling import AttentionPool  # noqa: E402
from minivit.siglip import SigLIP, siglip_loss  # noqa: E402
from minivit.text import FirstEnd, TextConfig, TextTower, last_position  # noqa: E402
from minivit.vit import ViT, ViTConfig  # noqa: E402

precise = pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
VOCABULARY, LENGTH, END, PATCH, EMBED = 30, 7, 25, 2, 10
WIDTH, DEPTH, TEXT_WIDTH, TEXT_DEPTH = 24, 3, 16, 2
IMAGE = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": 3, "intermediate_size": 40,
         "patch_size": PATCH, "num_channels": 4, "image_size": 6}  # fmt: skip
TEXT = {"hidden_size": TEXT_WIDTH, "num_hidden_layers": TEXT_DEPTH, "num_attention_heads": 2, "intermediate_size": 36,
        "vocab_size": VOCABULARY, "max_position_embeddings": LENGTH}  # fmt: skip
OUR_IMAGE = {"size": 6, "patch": PATCH, "channels": 4, "width": WIDTH, "depth": DEPTH, "heads": 3, "hidden": 40}
OUR_TEXT = {
    "vocabulary": VOCABULARY,
    "length": LENGTH,
    "width": TEXT_WIDTH,
    "depth": TEXT_DEPTH,
    "heads": 2,
    "hidden": 36,
}


def under(rows, ours, theirs):
    """The rows of a tower as part of a whole model."""
    return [
        row._replace(ours=tuple(f"{ours}.{name}" for name in row.ours),
                     theirs=tuple(f"{theirs}.{name}" for name in row.theirs))
        for row in rows
    ]  # fmt: skip


def text_rows():
    """A text tower without its head."""
    rows = carrying.text(TEXT_DEPTH, "", "head")
    return [row for row in rows if not row.ours[0].startswith("head.")]


def clip_image_rows():
    """CLIP's image tower: a projection without bias, a class token that has a place, a norm before the blocks."""
    names = {"norm1": "layer_norm1", "attention.qkv": carrying.SELF_ATTENTION, "attention.out": "self_attn.out_proj",
             "norm2": "layer_norm2", "mlp.up": "mlp.fc1", "mlp.down": "mlp.fc2"}  # fmt: skip
    weight, _ = carrying.convolution("embeddings.patch_embedding", PATCH)
    kind = {}

    def no_bias():
        return (torch.zeros(WIDTH, dtype=kind["dtype"]),)

    def here(table, token):
        kind["dtype"] = table.dtype
        return (token + table[0])[None], table[1:]

    def there(prefix, table):
        return torch.cat([torch.zeros_like(prefix), table]), prefix[0]

    placed = ("embeddings.position_embedding.weight", "embeddings.class_embedding")
    return [
        weight,
        carrying.Row(("prefix", "positions.table"), placed, here, there),
        carrying.Row(("stem.projection.bias",), (), no_bias, lambda _: ()),
        *carrying.linear("before", "pre_layrnorm"),
        *carrying.blocks(DEPTH, "encoder.layers", names),
        *carrying.linear("encoder.norm", "post_layernorm"),
    ]


def clip(dtype, end=END):
    """transformers' CLIPModel and our CLIP with its weights."""
    library = peers.load("transformers")
    torch.manual_seed(0)
    config = library.CLIPConfig(
        text_config={**TEXT, "eos_token_id": end, "bos_token_id": 4}, vision_config=IMAGE, projection_dim=EMBED
    )
    theirs = carrying.shaken(library.CLIPModel(config)).to(dtype)
    image_tower = ViT(ViTConfig(**OUR_IMAGE, eps=1e-5, activation="quick_gelu"), before=nn.LayerNorm(WIDTH, eps=1e-5))
    ours = CLIP(image_tower, TextTower(TextConfig(**OUR_TEXT), FirstEnd(end)), WIDTH, TEXT_WIDTH, EMBED).to(dtype)
    table = [
        *under(clip_image_rows(), "image_tower", "vision_model"),
        *under(text_rows(), "text_tower", "text_model"),
        *carrying.linear("image_projection", "visual_projection", "weight"),
        *carrying.linear("text_projection", "text_projection", "weight"),
        carrying.Row(("log_scale",), ("logit_scale",)),
    ]
    carrying.carry(ours, theirs, table)
    return ours, theirs


def siglip(dtype):
    """transformers' SiglipModel and our SigLIP with its weights; its towers end in the shared space by themselves."""
    library = peers.load("transformers")
    torch.manual_seed(0)
    config = library.SiglipConfig(text_config={**TEXT, "projection_size": WIDTH}, vision_config=IMAGE)
    theirs = carrying.shaken(library.SiglipModel(config)).to(dtype)
    pool = AttentionPool(WIDTH, 3, 40, activation="gelu_tanh")
    image_tower = ViT(ViTConfig(**OUR_IMAGE, prefix=0, activation="gelu_tanh"), pool=pool)
    text = TextConfig(**OUR_TEXT, eps=1e-6, activation="gelu_tanh", causal=False)
    text_tower = TextTower(text, last_position, nn.Linear(TEXT_WIDTH, WIDTH))
    ours = SigLIP(image_tower, text_tower, WIDTH, WIDTH, None).to(dtype)
    scalar = {"here": lambda one: (one.reshape(()),), "there": lambda one: (one.reshape(1),)}
    table = [
        *under(carrying.siglip(DEPTH, PATCH, WIDTH), "image_tower", "vision_model"),
        *under(carrying.text(TEXT_DEPTH, "", "head"), "text_tower", "text_model"),
        carrying.Row(("log_scale",), ("logit_scale",), **scalar),
        carrying.Row(("bias",), ("logit_bias",), **scalar),
    ]
    carrying.carry(ours, theirs, table)
    return ours, theirs


def batch(dtype):
    """Five pictures, and five texts with their end at different places."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(5, 4, 6, 6, generator=generator, dtype=torch.float64).to(dtype)
    ids = torch.randint(5, END, (5, LENGTH), generator=generator)
    for row, end in enumerate((6, 2, 4, 3, 6)):
        ids[row, end] = END
    return images, ids


def close(ours, theirs, atol):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


@precise
@pytest.mark.parametrize(("models", "loss"), [(clip, clip_loss), (siglip, siglip_loss)], ids=["CLIP", "SigLIP"])
def test_whole_models_are_transformers(models, loss, dtype, atol):
    ours, theirs = models(dtype)
    images, ids = batch(dtype)
    a, b = images.clone().requires_grad_(), images.clone().requires_grad_()
    pairs, expected = ours(a, ids), theirs(input_ids=ids, pixel_values=b, return_loss=True)
    close(pairs.image, expected.image_embeds, atol)
    close(pairs.text, expected.text_embeds, atol)
    close(pairs.logits, expected.logits_per_image, atol)
    close(loss(*(part for part in pairs if part is not None)), expected.loss, atol)
    loss(*(part for part in pairs if part is not None)).backward()
    expected.loss.backward()
    close(a.grad, b.grad, atol)
    close(ours.log_scale.grad, theirs.logit_scale.grad.reshape(()), 10 * atol)


def test_a_clip_without_its_norm_before_the_blocks_is_another_model():
    ours, _ = clip(torch.float64)
    images, _ = batch(torch.float64)
    right = ours.encode_images(images)
    ours.image_tower.before = None
    assert (ours.encode_images(images) - right).abs().max() > 1e-3


def test_a_siglip_that_divides_by_all_pairs_is_another_loss():
    ours, theirs = siglip(torch.float64)
    images, ids = batch(torch.float64)
    expected = theirs(input_ids=ids, pixel_values=images, return_loss=True).loss
    wrong = siglip_loss(*ours(images, ids), mean="pairs")
    torch.testing.assert_close(wrong * 5, expected, rtol=0, atol=1e-10)
    assert (wrong - expected).abs() > 0.1
