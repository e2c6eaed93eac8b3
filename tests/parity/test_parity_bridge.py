"""transformers' LLaVA and our bridge with its weights: logits and words, several pictures, several turns."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import carrying  # noqa: E402
from test_parity_language import norms_in_their_own_type  # noqa: E402, F401
from test_parity_pairs import clip_image_rows, under  # noqa: E402

from benchmarks import peers  # noqa: E402
from minivit.bridge import Bridge, two_layer_projector  # noqa: E402
from minivit.language import Cache, Language, LanguageConfig  # noqa: E402
from minivit.vit import ViT, ViTConfig  # noqa: E402

MARK, SLOTS, WIDTH, DEPTH = 52, 9, 24, 3
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-10}


def llava(dtype=torch.float64):
    library = peers.load("transformers")
    torch.manual_seed(0)
    config = library.LlavaConfig(
        vision_config=library.CLIPVisionConfig(
            hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=3, intermediate_size=40, patch_size=2,
            num_channels=4, image_size=6,
        ),
        text_config=library.LlamaConfig(
            vocab_size=53, hidden_size=16, intermediate_size=28, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=None,
        ),
        image_token_index=MARK, image_seq_length=SLOTS,
    )  # fmt: skip
    theirs = carrying.shaken(library.LlavaForConditionalGeneration(config)).to(dtype)
    tower = ViT(
        ViTConfig(6, 2, 4, WIDTH, DEPTH, 3, 40, eps=1e-5, activation="quick_gelu"), before=nn.LayerNorm(WIDTH, eps=1e-5)
    )
    language = Language(LanguageConfig(53, 128, 16, 2, 4, 2, 28, 1e-5))
    ours = Bridge(tower, two_layer_projector(WIDTH, 16), language, MARK).to(dtype).eval()
    table = [
        *under(clip_image_rows(), "tower", "model.vision_tower"),
        *carrying.linear("project.0", "model.multi_modal_projector.linear_1"),
        *carrying.linear("project.2", "model.multi_modal_projector.linear_2"),
        *(
            row._replace(ours=tuple(f"language.{name}" for name in row.ours))
            for row in carrying.llama(2, 4, 2, False, "model.language_model.")
        ),
    ]
    carrying.carry(ours, theirs, table)
    return ours, theirs


def pictures(count, dtype):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 4, 6, 6, generator=generator, dtype=torch.float64).to(dtype)


def expanded(ids):
    """Their processor writes a mark for every slot."""
    return torch.tensor([[token for one in row for token in [one] * (SLOTS if one == MARK else 1)] for row in ids])


TEXTS = {
    "one picture": [[3, MARK, 4, 5, 6]],
    "two pictures": [[3, MARK, 4, 5, MARK, 6]],
    "pictures side by side, first and last": [[MARK, MARK, 4, 5, 6, MARK]],
    "two texts": [[3, MARK, 4, 5, 6], [MARK, 7, 8, 9, 10]],
    "no picture": [[3, 4, 5, 6]],
}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("name", TEXTS)
def test_the_same_logits_and_words(name, dtype):
    ours, theirs = llava(dtype)
    ids = torch.tensor(TEXTS[name])
    seen = pictures(int((ids == MARK).sum()), dtype)
    images = seen if len(seen) else None
    with torch.no_grad():
        given = {} if images is None else {"pixel_values": images}
        expected = theirs(expanded(ids), **given).logits
        assert torch.allclose(ours(ids, images).logits, expected, atol=CLOSE[dtype])
        words = theirs.generate(
            input_ids=expanded(ids), max_new_tokens=12, do_sample=False, pad_token_id=0,
            attention_mask=torch.ones_like(expanded(ids)), **given,
        )  # fmt: skip
    assert torch.equal(ours.generate(ids, images, limit=12).ids, words[:, expanded(ids).shape[1] :])


def test_texts_of_unequal_length():
    ours, theirs = llava()
    ids, valid = (
        torch.tensor([[3, MARK, 4, 5, 6], [0, 0, 7, MARK, 8]]),
        torch.tensor([[True] * 5, [False] * 2 + [True] * 3]),
    )
    mask = expanded(torch.where(valid, ids, -1)) >= 0
    words = theirs.generate(
        input_ids=expanded(ids), pixel_values=pictures(2, torch.float64), attention_mask=mask.long(), max_new_tokens=12,
        do_sample=False, pad_token_id=0,
    )[:, mask.shape[1] :]  # fmt: skip
    assert torch.equal(ours.generate(ids, pictures(2, torch.float64), limit=12, valid=valid).ids, words)


def test_turns_with_new_pictures():
    """Ours goes on with its cache; theirs reads the whole conversation again."""
    ours, theirs = llava()
    seen, cache = pictures(3, torch.float64), Cache.of(ours.language, 1, 100)
    said, talk = torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 0, dtype=torch.int64)
    for number, question in enumerate(([3, MARK, 4], [5, 6, MARK], [7, 8])):
        new = torch.tensor([question])
        turn = torch.cat([said[:, -1:], new], dim=1)
        images = seen[number : number + 1] if MARK in question else None
        said = torch.stack(list(ours.stream(turn, images, limit=5, cache=cache)), dim=1)
        talk = torch.cat([talk, new], dim=1)
        words = theirs.generate(
            input_ids=expanded(talk), pixel_values=seen[: int((talk == MARK).sum())], max_new_tokens=5, do_sample=False,
            pad_token_id=0, attention_mask=torch.ones_like(expanded(talk)),
        )[:, expanded(talk).shape[1] :]  # fmt: skip
        assert torch.equal(said, words)
        talk = torch.cat([talk, said], dim=1)


def test_the_same_gradient_by_the_projector():
    ours, theirs = llava()
    ids = torch.tensor(TEXTS["two pictures"])
    learn = torch.tensor([[False, False, True, True, False, True]])
    ours.loss(ids, pictures(2, torch.float64), torch.ones_like(learn), learn).backward()
    labels = torch.full_like(expanded(ids), -100)
    labels[0, [-1, -1 - SLOTS - 1, -1 - SLOTS - 2]] = ids[0, [5, 3, 2]]
    theirs(expanded(ids), pixel_values=pictures(2, torch.float64), labels=labels).loss.backward()
    for mine, name in ((ours.project[0], "linear_1"), (ours.project[2], "linear_2")):
        other = theirs.model.multi_modal_projector.get_submodule(name)
        assert torch.allclose(mine.weight.grad, other.weight.grad, atol=1e-6)
    assert ours.tower.stem.projection.weight.grad is None
