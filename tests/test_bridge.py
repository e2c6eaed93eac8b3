"""The bridge: mergers, splicing, what is learnt, what moves, looking again, the budget."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from minivit.bridge import (
    AveragePool,
    Bridge,
    Budget,
    GatedCrossAttention,
    Keep,
    LookAgain,
    PixelShuffle,
    Resampler,
    answer_loss,
    first_stage,
    linear_projector,
    second_stage,
    splice,
    two_layer_projector,
)
from minivit.language import Cache, Language, LanguageConfig, Sampler, generate, writing
from minivit.patches import Grid
from minivit.vit import ViT, ViTConfig

GRID, WIDTH, MARK = Grid(4, 6), 8, 2
CONFIG = LanguageConfig(vocabulary=31, context=200, width=12, depth=2, heads=3, kv_heads=1, hidden=20)
MERGERS = {
    "keep": Keep(),
    "shuffle": PixelShuffle(2),
    "average": AveragePool(2),
    "resampler": Resampler(WIDTH, slots=5, heads=2),
}


def shaken(model):
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


def bridge(merge=None, project=linear_projector, block=-2):
    torch.manual_seed(0)
    merge = Keep() if merge is None else merge
    tower = ViT(ViTConfig((8, 12), 2, width=WIDTH, depth=3, heads=2, prefix=1))
    model = Bridge(tower, project(merge.width(WIDTH), 12), Language(CONFIG), MARK, merge, block)
    return shaken(model).double().eval()


def pictures(count, seed=0):
    return torch.rand(count, 3, 8, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Mergers


@pytest.mark.parametrize("name", MERGERS)
def test_a_merger_makes_what_it_says(name):
    merge = MERGERS[name]
    made = merge(torch.randn(3, GRID.tokens, WIDTH), GRID)
    assert made.shape == (3, merge.slots(GRID), merge.width(WIDTH))
    with pytest.raises(ValueError, match=r"4 x 6 patches are tokens \(K, 24, D\)"):
        merge(torch.randn(3, GRID.tokens + 1, WIDTH), GRID)


def test_pixel_shuffle_puts_neighbours_side_by_side():
    tokens = torch.arange(GRID.tokens).float()[None, :, None] + torch.arange(3) / 10  # token.channel
    slots = PixelShuffle(2)(tokens, GRID)
    # the first slot: tokens 0, 1 of row 0 and 6, 7 of row 1, each with its channels together
    expected = torch.tensor([0, 0.1, 0.2, 1, 1.1, 1.2, 6, 6.1, 6.2, 7, 7.1, 7.2])
    assert torch.allclose(slots[0, 0], expected)
    assert slots[0, 1, 0] == 2 and slots[0, 3, 0] == 12
    image = tokens.reshape(1, 4, 6, 3).permute(0, 3, 1, 2)
    torchs = F.pixel_unshuffle(image, 2)  # (1, channel x row x column, 2, 3)
    in_our_order = torchs.reshape(1, 3, 4, 6).permute(0, 3, 2, 1).reshape(1, 6, 12)
    assert torch.equal(slots, in_our_order)
    assert not torch.equal(slots, torchs.flatten(2).mT), "torch's order of the channels is another"


def test_average_pool_is_torchs_and_the_mean_of_the_shuffle():
    tokens = torch.randn(2, GRID.tokens, WIDTH, dtype=torch.float64)
    pooled = AveragePool(2)(tokens, GRID)
    image = tokens.reshape(2, 4, 6, WIDTH).permute(0, 3, 1, 2)
    assert torch.allclose(pooled, F.avg_pool2d(image, 2).flatten(2).mT, atol=1e-12)
    assert torch.allclose(pooled, PixelShuffle(2)(tokens, GRID).reshape(2, 6, 4, WIDTH).mean(2), atol=1e-12)
    flat = tokens.reshape(2, 6, 4, WIDTH).mean(2)  # the twin that forgets the grid: four in a row
    assert not torch.allclose(flat, pooled, atol=1e-2)


def test_a_factor_that_does_not_fit_is_refused():
    for merge in (PixelShuffle(4), AveragePool(4)):
        with pytest.raises(ValueError, match=r"a factor of 4 does not divide 4 x 6 patches; these do: \[1, 2\]"):
            merge.slots(GRID)


def test_the_resampler_reads_a_set():
    """Without positions in the tokens their order is nothing to it, and any number of them gives as many slots."""
    merge = shaken(Resampler(WIDTH, 5, 2)).double()
    tokens = torch.randn(2, GRID.tokens, WIDTH, dtype=torch.float64)
    order = torch.randperm(GRID.tokens)
    assert torch.allclose(merge(tokens, GRID), merge(tokens[:, order], GRID), atol=1e-10)
    assert merge(tokens[:, :6], Grid(2, 3)).shape == (2, 5, WIDTH)


# Splicing


def embed(ids):
    return torch.stack([ids.double(), -ids.double()], dim=-1)


def test_slots_stand_where_the_mark_was():
    ids = torch.tensor([[5, MARK, 6, MARK, 7], [8, 9, MARK, 10, 0]])
    valid = torch.tensor([[True] * 5, [True] * 4 + [False]])
    learn = torch.tensor([[False, False, False, False, True], [False, False, False, True, False]])
    slots = 100 + torch.arange(3 * 2 * 2, dtype=torch.float64).reshape(3, 2, 2)
    told = splice(ids, slots, embed, MARK, valid, learn)
    assert told.ids.tolist() == [[5, MARK, MARK, 6, MARK, MARK, 7], [0, 0, 8, 9, MARK, MARK, 10]]
    assert told.valid.tolist() == [[True] * 7, [False] * 2 + [True] * 5]
    assert told.learn.tolist() == [[False] * 6 + [True], [False] * 6 + [True]]
    assert told.vectors[0, :, 0].tolist() == [5, 100, 102, 6, 104, 106, 7]
    assert told.vectors[1, :, 0].tolist() == [0, 0, 8, 9, 108, 110, 10]


def test_padding_on_the_other_side_moves_nothing_else():
    ids = torch.tensor([[5, MARK, 6, MARK, 7], [8, 9, MARK, 10, 0]])
    valid, slots = ids != 0, torch.randn(3, 2, 2, dtype=torch.float64)
    left, right = (splice(ids, slots, embed, MARK, valid, valid, pad) for pad in ("left", "right"))
    assert right.valid.tolist() == [[True] * 7, [True] * 5 + [False] * 2]
    for one, other in zip(left, right, strict=True):
        assert torch.equal(one[left.valid], other[right.valid])
    assert not right.vectors[~right.valid].any() and not right.learn[~right.valid].any()
    with pytest.raises(ValueError, match="'middle'"):
        splice(ids, slots, embed, MARK, valid, pad="middle")


def test_learning_is_the_same_with_padding_on_either_side():
    model = bridge()
    ids = torch.tensor([[5, MARK, 6, 7, 8], [9, MARK, 10, 0, 0]])
    valid, learn = ids != 0, torch.tensor([[False] * 3 + [True] * 2, [False] * 2 + [True] + [False] * 2])
    line = model.splice(ids, pictures(2), valid, learn)
    left = answer_loss(model.language.read(line.vectors, line.valid), model.language.head, line)
    assert torch.allclose(model.loss(ids, pictures(2), valid, learn), left, atol=1e-6)
    unmasked = answer_loss(model.language.read(line.vectors), model.language.head, line)
    assert not torch.allclose(unmasked, left, atol=1e-3), "padding on the left without a mask is read"


def test_pictures_may_have_different_numbers_of_slots():
    ids = torch.tensor([[MARK, 5, MARK]])
    slots = [torch.full((3, 2), 1.0), torch.full((1, 2), 2.0)]
    told = splice(ids, slots, lambda ids: embed(ids).float(), MARK)
    assert told.vectors[0, :, 0].tolist() == [1, 1, 1, 5, 2]


def test_gradients_go_through_slots_and_words():
    table, slots = nn.Embedding(31, 12), torch.randn(2, 4, 12, requires_grad=True)
    told = splice(torch.tensor([[MARK, 5], [6, MARK]]), slots, table, MARK)
    told.vectors.sum().backward()
    assert torch.equal(slots.grad, torch.ones_like(slots))
    assert table.weight.grad[[5, 6]].eq(1).all() and not table.weight.grad[MARK].any()


@pytest.mark.parametrize(
    ("marks", "images", "told"),
    [(2, 1, r"2 image marks \(\[2\] by row\) and 1 images"), (1, 2, "1 image marks"), (0, 1, "0 image marks"),
     (1, 0, r"1 image marks .* and 0 images")],
)  # fmt: skip
def test_marks_and_pictures_must_be_as_many(marks, images, told):
    ids = torch.tensor([[MARK] * marks + [5]])
    with pytest.raises(ValueError, match=told):
        splice(ids, torch.zeros(images, 3, 2), embed, MARK)
    with pytest.raises(ValueError, match=told):
        bridge()(ids, pictures(images) if images else None)


def test_a_mark_in_padding_is_none():
    told = splice(torch.tensor([[5, MARK]]), torch.zeros(0, 3, 2), embed, MARK, torch.tensor([[True, False]]))
    assert told.ids.tolist() == [[5]]


# The whole bridge


@pytest.mark.parametrize("name", MERGERS)
def test_the_whole_bridge_is_its_parts_in_a_row(name):
    model = bridge(MERGERS[name])
    seen = model.look(pictures(2))
    features = model.tower.features(pictures(2)).blocks[1][:, 1:]  # the last but one of three, class token left out
    assert torch.equal(seen.tokens, features) and seen.grid == GRID
    ids = torch.tensor([[5, MARK, 6, 7], [8, 9, 10, MARK]])
    told = model(ids, pictures(2))
    slots = model.project(model.merge(features, GRID))
    for row in range(2):
        at = ids[row].tolist().index(MARK)
        vectors = model.language.table(ids[row])
        alone = torch.cat([vectors[:at], slots[row], vectors[at + 1 :]])[None]
        assert torch.allclose(told.logits[row], model.language.head(model.language.read(alone))[0], atol=1e-10)
    assert torch.allclose(model(ids, seen).logits, told.logits, atol=1e-12), "what was seen serves as the pictures do"


def test_the_end_of_the_tower_is_normed_and_a_block_is_not():
    end, last = bridge(block=None), bridge(block=-1)
    features = end.tower.features(pictures(2))
    assert torch.equal(end.look(pictures(2)).tokens, features.patches)
    assert torch.allclose(end.tower.encoder.norm(last.look(pictures(2)).tokens), features.patches, atol=1e-12)
    assert not torch.allclose(last.look(pictures(2)).tokens, features.patches, atol=1e-3)


def test_only_answers_are_learnt():
    model = bridge()
    ids = torch.tensor([[5, MARK, 6, 7, 8]])
    learn = torch.tensor([[False, False, False, True, True]])
    spliced = model.splice(ids, pictures(1), None, learn)
    logits = model(ids, pictures(1)).logits[0]
    right = torch.stack([-logits[-3].log_softmax(-1)[7], -logits[-2].log_softmax(-1)[8]]).mean()
    loss = model.loss(ids, pictures(1), torch.ones_like(learn), learn)
    assert torch.allclose(loss, right, atol=1e-6)
    everything = answer_loss(
        model.language.read(spliced.vectors), model.language.head, spliced._replace(learn=spliced.ids != MARK)
    )
    assert not torch.allclose(everything, right, atol=1e-3), "a loss on the question too is another"
    same_place = F.cross_entropy(logits[[-2, -1]], ids[0, 3:])  # the twin that forgot to shift by one
    assert not torch.allclose(same_place, right, atol=1e-3)
    with pytest.raises(ValueError, match="no answer to learn"):
        model.loss(ids, pictures(1), torch.ones_like(learn), torch.zeros_like(learn))


def test_a_stage_moves_what_it_should():
    ids, learn = torch.tensor([[5, MARK, 6, 7]]), torch.tensor([[False, False, False, True]])

    def moved(model):
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        learning = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.SGD(learning, lr=0.1)
        for _ in range(2):  # LoRA's first step moves one of the pair alone
            optimizer.zero_grad()
            model.loss(ids, pictures(1), torch.ones_like(learn), learn).backward()
            optimizer.step()
        return {
            name.split(".")[0] for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])
        }

    assert moved(first_stage(bridge(Resampler(WIDTH, 5, 2)))) == {"merge", "project"}
    assert moved(second_stage(bridge(PixelShuffle(2), two_layer_projector))) == {"project", "language"}
    adapted = second_stage(bridge(), rank=2)
    frozen = adapted.language.blocks[0].mlp.down.linear.weight.clone()
    assert moved(adapted) == {"project", "language"}
    assert torch.equal(adapted.language.blocks[0].mlp.down.linear.weight, frozen)


def test_it_writes_and_draws():
    model = bridge()
    ids, valid = torch.tensor([[5, MARK, 6], [0, MARK, 7]]), torch.tensor([[True] * 3, [False, True, True]])
    told = model.generate(ids, pictures(2), limit=6, valid=valid)
    for row in range(2):
        alone = model.generate(ids[row : row + 1, row:], pictures(2)[row : row + 1], limit=6)
        assert torch.equal(alone.ids[0], told.ids[row])
    streamed = torch.stack(list(model.stream(ids, pictures(2), limit=6, valid=valid)), dim=1)
    assert torch.equal(streamed, told.ids)
    drawn = model.generate(ids, pictures(2), limit=6, valid=valid, choose=Sampler(5.0, seed=1))
    assert not torch.equal(drawn.ids, told.ids)


def test_a_second_turn_with_another_picture():
    model = bridge()
    first, second = torch.tensor([[5, MARK, 6]]), torch.tensor([[MARK, 7]])
    cache = Cache.of(model.language, 1, 120)
    said = torch.stack(list(model.stream(first, pictures(1), limit=4, cache=cache)), dim=1)
    turn = torch.cat([said[:, -1:], second], dim=1)
    again = torch.stack(list(model.stream(turn, pictures(1, seed=1), limit=4, cache=cache)), dim=1)
    whole = torch.cat([first, said, second], dim=1)
    together = model.generate(whole, torch.cat([pictures(1), pictures(1, seed=1)]), limit=4).ids
    assert torch.equal(again, together)


def test_an_untrained_picture_changes_the_answer():
    model = bridge()
    ids = torch.tensor([[5, MARK, 6]])
    assert not torch.allclose(model(ids, pictures(1)).logits, model(ids, pictures(1, seed=1)).logits, atol=1e-3)


def test_mistakes_are_told():
    tower, language = ViT(ViTConfig(8, 2, width=8, depth=3, heads=2)), Language(CONFIG)
    with pytest.raises(ValueError, match="3 blocks, and there is no block -4"):
        Bridge(tower, nn.Linear(8, 12), language, MARK, block=-4)
    with pytest.raises(ValueError, match="the mark is an id below 31; got 31"):
        Bridge(tower, nn.Linear(8, 12), language, 31)
    model = bridge()
    nine = torch.full((1, 9), MARK)
    told = r"9 images of 24 slots, 0 words and {} tokens .* are {} more than the context of 200: an image has 6 slots, "
    told += r"and all fits, with PixelShuffle\(2\); there is room for {} of 9 images as they are"
    with pytest.raises(ValueError, match=told.format(0, 16, 8)):
        model(nine, pictures(9))
    with pytest.raises(ValueError, match=told.format(19, 35, 7)):
        model.generate(nine, pictures(9), limit=20)
    bridge(PixelShuffle(2)).generate(nine, pictures(9), limit=20)
    uneven = torch.full((3, 170), 5)  # a short row of five images, a long one of two, and one without
    uneven[0, :5] = uneven[1, :2] = MARK
    uneven[2, 100:] = MARK  # in the padding
    valid = torch.arange(170) < torch.tensor([6, 170, 4])[:, None]
    with pytest.raises(ValueError, match=r"2 images of 24 slots, 168 words .* 16 more than .* 200: .*\(2\)"):
        model(uneven, pictures(7), valid)
    bridge(PixelShuffle(2))(uneven, pictures(7), valid)
    with pytest.raises(ValueError, match=r"1 images of 24 slots, 199 words .* no merger suffices; .* room for 0 of"):
        model(torch.tensor([[MARK] + [5] * 199]), pictures(1))
    edge = torch.full((2, 176), 5)
    edge[:, 0] = MARK
    edge[1, 9:] = MARK
    model(edge, pictures(2), torch.arange(176) < torch.tensor([176, 9])[:, None])  # 199 places, just enough
    cache = Cache.of(model.language, 1, 200)
    generate(model.language, torch.full((1, 9), 5), limit=1, cache=cache)
    with pytest.raises(ValueError, match=told.format(10, 26, 7)):
        model.stream(nine, pictures(9), limit=2, cache=cache)
    assert cache.filled == 9
    with pytest.raises(ValueError, match=r"the limit must be .* at least 1; got 0"):
        model.generate(nine[:, :1], pictures(1), limit=0)


# Looking again


def crossed():
    torch.manual_seed(0)
    return LookAgain(shaken(Language(CONFIG)), WIDTH).double().eval()


def test_gates_that_are_shut_change_nothing():
    model, ids = crossed(), torch.tensor([[5, 6, 7, 8]])
    looking = model.at(torch.randn(1, 9, WIDTH, dtype=torch.float64))
    assert torch.equal(looking(ids), model.language(ids))
    for layer in model.layers:
        layer.gate1.data.fill_(0.5)
    assert not torch.allclose(looking(ids), model.language(ids), atol=1e-3)
    layer, x = GatedCrossAttention(12, WIDTH, 3), torch.randn(1, 4, 12)
    layer.gate1.data.fill_(0.3)
    expected = x + math.tanh(0.3) * layer.look(layer.norm1(x), torch.ones(1, 9, WIDTH))
    assert torch.allclose(layer(x, torch.ones(1, 9, WIDTH)), expected, atol=1e-6)


def test_it_looks_at_every_token_and_takes_no_room():
    model = crossed()
    for layer in model.layers:
        layer.gate1.data.fill_(1.0)
    one, other = torch.randn(2, 1, 9, WIDTH, dtype=torch.float64)
    ids = torch.tensor([[5, 6, 7]])
    cache = Cache.of(model.language, 1, 20)
    first = generate(model.at(one), ids, limit=3, cache=cache)
    assert cache.filled == 3 + 2
    turn = torch.tensor([[int(first.ids[0, -1]), 9]])
    a, b = (model.at(picture)(turn) for picture in (one, other))
    assert not torch.allclose(a, b, atol=1e-3)
    assert torch.equal(generate(model.at(one), ids, limit=3, cache=False).ids, first.ids)


def test_each_text_of_a_large_batch_looks_at_its_own_picture(monkeypatch):
    monkeypatch.setattr(writing, "PART", 1)  # a plain language model would read these one by one
    model = crossed()
    for layer in model.layers:
        layer.gate1.data.fill_(1.0)
    pictures, ids = torch.randn(3, 9, WIDTH, dtype=torch.float64), torch.tensor([[5, 6, 7]] * 3)
    told = generate(model.at(pictures), ids, limit=4).ids
    alone = [generate(model.at(picture[None]), ids[:1], limit=4).ids for picture in pictures]
    assert torch.equal(told, torch.cat(alone)) and len(set(map(tuple, told.tolist()))) > 1


def test_a_later_turn_looks_elsewhere_and_what_was_read_before_was_seen_before():
    """With the cache a second turn looks at its own picture; the first turn's keys stay as they were."""
    model = crossed()
    one, other = torch.randn(2, 1, 9, WIDTH, dtype=torch.float64)
    ids, turn = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[9, 10, 11]])
    whole, count = torch.cat([ids, turn], dim=1), ids.shape[1]

    def cached(picture):
        cache = Cache.of(model.language, 1, 20)
        model.at(one)(ids, cache=cache)
        keys = [part[:, :, :count].clone() for part in cache.keys]
        logits = model.at(picture)(turn, cache=cache)
        assert all(torch.equal(part, kept[:, :, :count]) for part, kept in zip(keys, cache.keys, strict=True))
        return logits

    def each_at_its_own(block, x):  # no cache: the first turn's words look here, the second turn's there
        layer = model.layers[block]
        return torch.cat([layer(x[:, :count], one), layer(x[:, count:], other)], dim=1)

    def anew(picture):
        return model.at(picture)(whole)[:, count:]

    for layer in model.layers:
        layer.gate1.data.fill_(1.0)
    language = model.language
    mixed = language.head(language.read(language.embed(whole), after=each_at_its_own))[:, count:]
    assert torch.allclose(cached(other), mixed, atol=1e-10), "with another picture"
    assert torch.allclose(cached(one), anew(one), atol=1e-10), "with the same picture"
    assert not torch.allclose(cached(other), anew(other), atol=1e-3), "the first turn was not seen there"
    assert not torch.allclose(cached(other), cached(one), atol=1e-3), "the second turn was"
    model.layers[0].gate1.data.zero_()  # only behind the last block: then no key knows of a picture
    assert torch.allclose(cached(other), anew(other), atol=1e-10)


@pytest.mark.parametrize("every", [3, 0, -1, 1.5])
def test_no_layer_to_look_with_is_refused(every):
    with pytest.raises(
        ValueError, match=r"every 3 blocks of 2 .* from 1 to 2" if every == 3 else "every must be a whole"
    ):
        LookAgain(Language(CONFIG), WIDTH, every=every)


def test_every_other_block_only():
    model = LookAgain(Language(LanguageConfig(31, 20, 12, 5, 3, 1, 20)), WIDTH, every=2)
    assert len(model.layers) == 2
    seen = []
    looking = model.at(torch.randn(1, 9, WIDTH))
    looking.model.layers = nn.ModuleList(Spy(seen, number) for number in range(2))
    looking(torch.tensor([[5, 6]]))
    assert seen == [0, 1]


class Spy(nn.Module):
    def __init__(self, seen, number):
        super().__init__()
        self.seen, self.number = seen, number

    def forward(self, x, picture):
        self.seen.append(self.number)
        return x


# The budget


@pytest.mark.parametrize(
    ("numbers", "slots", "used"),
    [
        ({"size": 224, "patch": 16}, 196, 196),
        ({"size": 224, "patch": 14}, 256, 256),
        ({"size": 336, "patch": 14}, 576, 576),
        ({"size": 448, "patch": 16}, 784, 784),
        ({"size": 224, "patch": 16, "images": 2}, 196, 392),
        ({"size": 448, "patch": 16, "merge": PixelShuffle(2), "text": 10, "answer": 5}, 196, 211),
        ({"size": (32, 64), "patch": 16, "merge": Resampler(8, 5, 2), "images": 3, "text": 2}, 5, 17),
        ({"size": (32, 32), "patch": 16, "text": 3}, 4, 7),
    ],
)
def test_the_budget_adds_up(numbers, slots, used):
    budget = Budget(context=2048, **numbers)
    assert (budget.slots, budget.used, budget.left) == (slots, used, 2048 - used)


def test_a_budget_may_be_overdrawn_and_says_what_fits():
    budget = Budget(context=500, size=224, patch=16, images=3, text=50, answer=20)
    assert budget.left == -158 and budget.most_images == 2
    assert budget.factor == 2 and 3 * PixelShuffle(2).slots(budget.grid) + 70 <= 500
    with pytest.raises(ValueError, match=r"158 more than the context of 500: an image has 49 slots"):
        budget.check()
    Budget(context=658, size=224, patch=16, images=3, text=50, answer=20).check()
    with pytest.raises(ValueError, match=r"no merger suffices; there is room for 0 of 3 images"):
        Budget(context=72, size=224, patch=16, images=3, text=50, answer=20).check()
    with pytest.raises(ValueError, match="does not divide 14 x 14"):
        Budget(500, 224, 16, PixelShuffle(4))


def test_llava_at_its_real_size_builds_without_memory():
    """CLIP ViT-L/14 at 336, two layers, LLaMA 7B; the vocabulary of LLaVA-1.5 as transformers has it."""
    with torch.device("meta"):
        tower = ViT(ViTConfig(336, 14, 3, 1024, 24, 16, eps=1e-5, activation="quick_gelu"), before=nn.LayerNorm(1024))
        model = Bridge(tower, two_layer_projector(1024, 4096), Language(LanguageConfig(32_064, 4_096)), 32_000)
    ids = torch.full((1, 4), 7, device="meta")
    assert model.look(torch.zeros(1, 3, 336, 336, device="meta")).tokens.shape == (1, 576, 1024)
    assert sum(weight.numel() for weight in model.project.parameters()) == 1024 * 4096 + 4096 + 4096 * 4096 + 4096
    assert model.language(ids).shape == (1, 4, 32_064)
