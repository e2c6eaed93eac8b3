"""The benchmark's arithmetic on made-up seconds; that its peers can be built at all; no time is judged."""

import json
import statistics
import warnings

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import (
    clip_peers,
    language,
    language_peers,
    language_table,
    losses,
    pairs_table,
    peers,
    ring,
    rounds,
    towers,
    vit,
    vit_table,
)
from minivit.attention import attend, attend_fast
from minivit.language import LanguageConfig
from minivit.patches import cost
from minivit.siglip import siglip_loss
from minivit.teach.runs import recorded
from minivit.text import TextConfig
from minivit.vit import ViTConfig

SMALL = ViTConfig(size=(16, 24), patch=8, width=12, depth=2, heads=3)


def made_up(**seconds) -> dict:
    """A cell in which every label takes the given seconds; those not given take 1, 2 and 4."""
    labels = ["minivit", "minivit mean", *vit_table.PEERS]
    times = {label: [1.0, 2.0, 4.0] for label in labels} | {k.replace("_", " "): v for k, v in seconds.items()}
    return {"model": "tiny", "work": "train", "batch": 7, "dtype": "bf16", "flops": 3_000, "seconds": times}


def test_a_ratio_is_taken_round_by_round():
    own, peer = [1.0, 10.0, 2.0, 4.0, 1.0], [2.0, 30.0, 4.0, 6.0, 5.0]
    spread = vit_table.ratio(peer, own)
    assert spread == (2.0, 2.0, 3.0)
    of_medians = statistics.median(peer) / statistics.median(own)  # the wrong twin
    assert of_medians == 2.5 != spread.median
    assert vit_table.ratio(own, own) == (1.0, 1.0, 1.0)
    assert vit_table.ratio([3 * s for s in own], own) == (3.0, 3.0, 3.0) != vit_table.ratio(own, [3 * s for s in own])


def test_a_slow_minute_falls_on_both():
    own, peer = [1.0, 1.0, 1.0, 1.0, 1.0], [1.5, 1.5, 1.5, 1.5, 1.5]
    stall = [1.0, 9.0, 9.0, 9.0, 1.0]
    stalled = vit_table.ratio([p * s for p, s in zip(peer, stall, strict=True)], stall)
    assert stalled == vit_table.ratio(peer, own) == (1.5, 1.5, 1.5)
    assert vit_table.ratio(peer, stall).median != 1.5, "taken in different rounds, the stall would decide"


@pytest.mark.parametrize("times", [([1.0], [1.0]), ([1.0, 2.0], [1.0, 2.0]), ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0])])
def test_too_few_or_unequal_rounds_are_refused(times):
    with pytest.raises(ValueError, match="in every round, at least three"):
        vit_table.ratio(*times)


def test_flops_are_those_of_patches_and_the_head():
    forward = vit_table.flops(SMALL, classes=5, work="forward")
    encoder = cost(16, 24, 8, model_width=12, layers=2).flops
    assert forward - encoder == 2 * 12 * 5
    assert vit_table.flops(SMALL, classes=5, work="train") == 3 * forward
    assert cost(16, 24, 8, model_width=12, layers=1).flops + 2 * 12 * 5 != forward, "depth counts"
    with pytest.raises(ValueError, match="40 for D = 12"):
        vit_table.flops(ViTConfig(size=16, patch=8, width=12, depth=2, heads=3, hidden=40), 5, "forward")


def test_flops_of_the_linear_maps_are_those_of_the_real_model():
    model = vit.minivit_mean(SMALL, 5)
    tokens, counted = SMALL.grid.tokens, 0
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            counted += 2 * module.weight.numel() * (1 if name == "head" else tokens)
    whole = cost(16, 24, 8, model_width=12, layers=2)
    assert counted in (whole.linear_flops + 2 * 12 * 5, whole.linear_flops + whole.embed_flops + 2 * 12 * 5)


def test_the_build_that_stands_beside_simplevit_has_its_parts():
    """The same weights to move, but for the two norms around SimpleViT's patches, which minivit does not have."""
    ours, theirs = vit.minivit_mean(SMALL, 5), peers.simple_vit(SMALL, 5)
    raw, width = 3 * 8 * 8, 12
    norms = 2 * raw + 2 * width
    assert sum(p.numel() for p in theirs.parameters()) - sum(p.numel() for p in ours.parameters()) == norms
    assert ours(torch.rand(2, 3, 16, 24)).shape == (2, 5)


def test_the_share_is_of_the_ceiling_of_the_same_kind():
    ceilings = {"fp32": {"flops": 1e4}, "fp32 raised": {"flops": 2e4}, "bf16": {"flops": 4e4}}
    cell = made_up()
    assert vit_table.share(cell, "minivit", ceilings) == 3_000 * 7 / 2.0 / 4e4
    cell["dtype"] = "fp32"
    assert vit_table.share(cell, "minivit", ceilings) == 3_000 * 7 / 2.0 / 1e4
    cell["seconds"]["minivit, raised"] = [1.0, 2.0, 4.0]
    assert vit_table.share(cell, "minivit, raised", ceilings) == 3_000 * 7 / 2.0 / 2e4


def test_best_is_among_the_librarys_own_settings():
    cell = made_up(**{"timm, explicit": [0.5, 1.0, 9.0], "minivit mean": [0.1, 0.1, 0.1]})
    assert vit_table.best(cell, "timm") == "timm, explicit"
    assert vit_table.best(cell, "minivit") == "minivit", "minivit mean is another build, however fast"
    assert vit_table.best(cell, "transformers") == "transformers"


def test_each_peer_is_compared_with_its_likeness():
    cell = made_up(**{"minivit mean": [0.5, 1.0, 2.0], "timm, explicit": [0.5, 1.0, 2.0]})
    assert [vit_table.against(cell, peer, at_best=False).median for peer in vit_table.PEERS] == [1, 1, 1, 2]
    assert [vit_table.against(cell, peer, at_best=True).median for peer in vit_table.PEERS] == [0.5, 1, 1, 2]


def test_settings_that_are_far_behind_are_dropped_but_never_a_library():
    plain, explicit = rounds.Contender("timm"), rounds.Contender("timm", explicit=True)
    own, raised = rounds.Contender("minivit"), rounds.Contender("minivit", raised=True)
    assert rounds.worth_running({plain: 9.0, explicit: 1.0, own: 1.0, raised: 1.6}) == [plain, explicit, own]
    assert rounds.worth_running({plain: 1.0, explicit: 1.4}) == [plain, explicit]


def test_every_peer_runs_as_it_comes_and_with_its_switches():
    labels = {dtype: {str(one) for one in vit.contenders(dtype)} for dtype in ("fp32", "bf16")}
    for names in labels.values():
        assert {"minivit", "minivit mean", *vit_table.PEERS} <= names
    assert {"timm, explicit", "transformers, explicit"} <= labels["bf16"]
    assert {f"{library}, raised" for library in vit.LIBRARIES} <= labels["fp32"]
    assert "timm, explicit, raised" in labels["fp32"] and not any("raised" in label for label in labels["bf16"])


def test_words_choose_cells():
    every = vit.cells()
    assert len(every) == 4 * 2 * (3 + 1)
    assert {(cell.model, cell.work) for cell in vit.cells(("tiny", "train"))} == {("tiny", "train")}
    assert len(vit.cells(("tiny", "train"))) == 2 and len(vit.cells(("Ti", "S"))) == 16
    with pytest.raises(SystemExit, match="not huge"):
        vit.cells(("huge",))


def test_the_command_wants_one_section_for_parts(capsys):
    with pytest.raises(SystemExit, match="one section"):
        command.main(["vit", "panels", "--only", "tiny"])
    with pytest.raises(SystemExit, match="there are: panels, vit"):
        command.main(["peers"])


def test_matrix_precision_is_put_back():
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(KeyError), rounds.settings("fp32", raised=True):
        assert torch.get_float32_matmul_precision() == "medium"
        raise KeyError
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_record_becomes_tables():
    ceilings = {name: {"flops": 1e4, "error": 1e-6} for name in ("fp32", "fp32 raised", "bf16")}
    about = {"whole": True, "machine": "a machine, 3 cores", "threads": 3, "commit": "abc", "versions": {"timm": "2"}}
    text = vit_table.tables({**about, "ceilings": ceilings, "cells": [made_up(timm=[2.0, 4.0, 8.0])]})
    assert "a machine, 3 cores; threads: 3." in text and "Peers: timm 2; commit abc" in text
    assert "| tiny | 7 | as it comes | 3.5 | 105% | 2.00 (2.00–2.00) | 1.00 (1.00–1.00) |" in text
    assert "Training, bf16" in text and "Forward" not in text


def test_a_record_is_written_whole_or_not_at_all(tmp_path):
    place = tmp_path / "bench_vit.json"
    rounds.write({"cells": [1]}, place)
    with pytest.raises(TypeError):
        rounds.write({"cells": {1, 2}}, place)
    assert json.loads(place.read_text()) == {"cells": [1]}


@pytest.mark.slow
def test_every_library_builds_and_learns_in_every_setting():
    config = ViTConfig(size=(16, 24), patch=8, width=12, depth=2, heads=3)
    images, labels = torch.rand(2, 3, 16, 24), torch.tensor([1, 4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, build in vit.LIBRARIES.items():
            model = build(config, 5)
            optimizer = torch.optim.AdamW(model.parameters())
            for fused in (True, False):
                if name in vit.SWITCHED:
                    peers.switch_fused(model, fused)
                with rounds.settings("bf16", raised=False):
                    assert model(images).shape == (2, 5)
                    vit._step(model, optimizer, images, labels)


@pytest.mark.slow
@pytest.mark.parametrize("build", [peers.timm_vit, peers.transformers_vit])
def test_the_switch_changes_the_kernel_and_not_the_result(build):
    torch.manual_seed(0)
    model, images = (
        build(ViTConfig(size=(16, 24), patch=8, width=12, depth=2, heads=3), 5).eval(),
        torch.rand(2, 3, 16, 24),
    )
    found, kernels = [], []
    for fused in (True, False):
        peers.switch_fused(model, fused)
        with torch.profiler.profile() as profile, torch.no_grad():
            found.append(model(images))
        kernels.append(any("scaled_dot_product" in event.key for event in profile.key_averages()))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)
    assert kernels == [True, False]


@pytest.mark.slow
def test_the_page_says_whether_it_shows_a_whole_run():
    record = recorded("bench_vit")
    measured = [vit.Cell(*(cell[field] for field in vit.Cell._fields)) for cell in record["cells"]]
    assert measured and len(set(measured)) == len(measured) and set(measured) <= set(vit.cells())
    assert record["whole"] == (measured == vit.cells()) == ("A part only" not in vit_table.tables(record))
    for cell in record["cells"]:
        assert cell["flops"] == vit_table.flops(vit.MODELS[cell["model"]], vit.CLASSES, cell["work"])
        assert len({len(seconds) for seconds in cell["seconds"].values()}) == 1
    page = (rounds.ROOT / "book" / "bench.md").read_text()
    assert page.count("<!-- bench vit -->") == 1 and record["machine"] in vit_table.tables(record)


def test_the_page_shows_whole_runs_of_pairs():
    page = (rounds.ROOT / "book" / "bench.md").read_text()
    for name, module, kind in (("losses", losses, losses.Cell), ("towers", towers, towers.Cell)):
        record = recorded(f"bench_{name}")
        assert [kind(*(cell[field] for field in kind._fields)) for cell in record["cells"]] == module.cells()
        assert record["whole"] and all(len({*map(len, cell["seconds"].values())}) == 1 for cell in record["cells"])
        assert page.count(f"<!-- bench {name} -->") == 1
    assert [cell["processes"] for cell in recorded("bench_ring")["cells"]] == list(ring.PROCESSES)
    assert page.count("<!-- bench ring -->") == 1


def fused(dtype: torch.dtype, count: int, gradients: bool, raised: bool) -> bool:
    """Whether `attend_fast` asks the fused kernel; its result is compared with the plain form on the way."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, count, 8, generator=generator).to(dtype).requires_grad_(gradients) for _ in "qkv")
    with rounds.settings("fp32", raised), torch.profiler.profile() as profile:
        output = attend_fast(q, k, v)
    right = attend(*(t.double() for t in (q, k, v))).output
    exact = dtype == torch.float32 and not raised
    torch.testing.assert_close(output.double(), right, rtol=0, atol=1e-5 if exact else 0.04)
    return any("scaled_dot_product" in event.key for event in profile.key_averages())


@pytest.mark.parametrize("amx", [True, False])
def test_attention_takes_the_form_that_the_page_tells_of(monkeypatch, amx):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert not fused(torch.bfloat16, 65, gradients=True, raised=False)
    assert fused(torch.bfloat16, 65, gradients=False, raised=False) is amx
    assert fused(torch.bfloat16, 641, gradients=True, raised=False)
    assert fused(torch.float32, 65, gradients=True, raised=False)
    assert not fused(torch.float32, 65, gradients=False, raised=True)


# Pairs: the losses, the towers, the ring


def test_every_form_of_a_loss_gives_one_value_and_one_gradient():
    for cell in losses.cells(("1024",)):
        losses.alike(cell._replace(batch=96))
    assert {cell.loss for cell in losses.cells(())} == {"sigmoid", "softmax"}
    assert [cell.steep for cell in losses.cells(("4096", "sigmoid", "default"))] == [False, True]
    with pytest.raises(SystemExit, match="not 7"):
        losses.cells(("7",))


def test_a_form_that_differs_is_found(monkeypatch):
    cell = losses.Cell("sigmoid", 64, "default")
    forms = losses.forms("sigmoid")
    twin = forms | {"open_clip": lambda *parts: siglip_loss(*parts, mean="pairs")}
    monkeypatch.setattr(losses, "forms", lambda loss: twin)
    with pytest.raises(AssertionError, match="open_clip and minivit differ by"):
        losses.alike(cell)


def test_the_products_alone_are_those_of_the_gradient():
    cell = losses.Cell("sigmoid", 600, "default")
    with torch.profiler.profile() as profile:
        losses.step(losses.forms("sigmoid")["products alone"], losses.leaves(cell))
    alone = sum(event.count for event in profile.key_averages() if event.key in ("aten::mm", "aten::addmm_"))
    with torch.profiler.profile() as profile:
        losses.step(losses.forms("sigmoid")["minivit"], losses.leaves(cell))
    ours = sum(event.count for event in profile.key_averages() if event.key in ("aten::addmm", "aten::addmm_"))
    assert alone == ours == 3 * 4  # blocks of 512 and 88 both ways


@pytest.mark.slow
def test_peak_memory_is_that_of_the_tables():
    cell = losses.Cell("sigmoid", 4096, "default")
    plain, chunked = (losses.memory(cell, library) for library in ("plain", "minivit"))
    if plain is None:
        pytest.skip("no /proc to ask")
    table = 4096 * 4096 * 4
    assert 2 * table < plain < 8 * table and chunked < table


@pytest.mark.slow
def test_three_libraries_carry_one_clip():
    image = ViTConfig(32, 8, width=24, depth=2, heads=3, eps=1e-5, activation="quick_gelu")
    text = TextConfig(60, 9, width=20, depth=2, heads=2)
    torch.manual_seed(0)
    models = towers.build(clip_peers.ours(image, text, 12))
    assert set(models) == {"minivit", "open_clip", "transformers"}
    images, ids = towers.batch(models["minivit"].model, 4, 7)
    assert images.shape == (4, 3, 32, 32) and ids.shape == (4, 9) and ids[0, 6] == 59 and (ids[0, 7:] == 0).all()
    for model in models.values():
        before = [weight.detach().clone() for weight in model.parameters()]
        towers.step(model.train(), torch.optim.AdamW(model.parameters(), lr=1e-3), images, ids)
        assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.slow
def test_the_ring_is_counted():
    told = ring.measure(3, rows=4, width=8)
    block = 4 * 8 * 4
    assert told["ring"] == {"sent": 4 * block, "held": 2}
    assert told["gathered texts"]["sent"] == 4 * block and told["gathered texts and images"]["sent"] == 8 * block
    assert "KiB" in pairs_table.ring_table({"rows": 4, "width": 8, "cells": [told]})


def test_made_up_seconds_become_the_tables_of_pairs():
    where = {"machine": "a machine", "threads": 2, "commit": "abc", "versions": {"open_clip_torch": "3"}, "whole": True}
    seconds = {"minivit": [1.0, 2.0, 1.0], "plain": [2.0, 4.0, 2.0], "open_clip": [3.0, 9.0, 3.0]}
    memory = {"minivit": 2**20, "plain": 8 * 2**20, "open_clip": 14 * 2**20}
    cell = {"loss": "sigmoid", "batch": 16384, "precision": "default", "steep": False, "memory": memory}
    cell["seconds"] = seconds | {"products alone": [0.5, 1.0, 0.5]}
    text = pairs_table.losses_table({**where, "cells": [cell]})
    assert "3.00 (3.00–3.75)" in text and "| 14.0 |" in text and "a machine" in text
    peers_seconds = {"minivit": [1.0, 1.0, 1.0], "open_clip": [1.5, 1.5, 1.5], "transformers": [1.2, 1.2, 1.2]}
    cell = {"work": "train", "dtype": "fp32", "batch": 16, "tokens": 77, "seconds": peers_seconds}
    assert pairs_table.faster_peer(cell, at_best=False).median == pytest.approx(1.2)
    assert "1.20 (1.20–1.20)" in pairs_table.towers_table({**where, "cells": [cell]})


# Writing, word by word

SPEAKS = LanguageConfig(31, 40, 24, depth=2, heads=6, kv_heads=2, hidden=20)


def test_words_choose_texts():
    every = language.cells()
    assert len(set(every)) == len(every) == 2 * 2 * 2 + 2
    assert [cell[:3] for cell in language.cells(("tiny", "16"))] == [("tiny", "fp32", 16), ("tiny", "bf16", 16)]
    assert language.cells(("short", "tiny", "fp32")) == [language.Cell("tiny", "fp32", 1, "short")]
    with pytest.raises(SystemExit, match="not huge"):
        language.cells(("huge",))


def test_every_writer_runs_as_it_comes_and_with_its_switches():
    labels = [str(one) for one in language.contenders(language.Cell("tiny", "fp32", 1))]
    assert len(set(labels)) == len(labels) and {"minivit", "generate", "loop", "prompt alone"} <= set(labels)
    assert {"minivit, compiled", "minivit, compiled, one thread", "minivit, one thread"} <= set(labels)
    assert {label.replace("minivit", "prompt alone") for label in labels if "minivit" in label} < set(labels)
    for cell in (language.Cell("tiny", "fp32", 16), language.Cell("tiny", "bf16", 1)):
        assert not any("compiled" in str(one) for one in language.contenders(cell))
    for peer in ("generate", "loop"):
        assert {f"{peer}, explicit, static", f"{peer}, static", f"{peer}, one thread"} <= set(labels)
    before = torch.get_num_threads()
    with pytest.raises(KeyError), rounds.threads(1):
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "batch"), [("fp32", 1), ("fp32", 3), ("bf16", 3)])
def test_writers_are_timed_that_write_the_same(monkeypatch, dtype, batch):
    monkeypatch.setitem(language.MODELS, "tiny", SPEAKS)
    monkeypatch.setitem(language.PROMPTS, "long", (5, 4))
    monkeypatch.setattr(language, "SECONDS", 0.0)
    monkeypatch.setattr(language, "LONG", 0.0)
    with rounds.threads(1):
        cell = language.measure(language.Cell("tiny", dtype, batch))
    assert {"minivit", "generate", "loop", "prompt alone"} <= set(cell["seconds"])
    assert (cell["read"], cell["new"]) == (5, 4)
    assert {len(seconds) for seconds in cell["seconds"].values()} == {3}
    assert language.Writers(SPEAKS, language.DTYPES[dtype]).theirs.dtype == language.DTYPES[dtype]


@pytest.mark.slow
def test_a_writer_that_writes_otherwise_is_found(monkeypatch):
    ids, running = language.prompt(SPEAKS, 2, 5), language.contenders(language.Cell("tiny", "fp32", 2))
    writers = language.Writers(SPEAKS, torch.float32)
    language.alike(writers, running, ids, 4)
    with monkeypatch.context() as twin, pytest.raises(AssertionError, match="compiled and minivit write other words"):
        idle = torch.zeros(1, SPEAKS.vocabulary)
        twin.setattr(language, "compiled_step", lambda model, cache: lambda ids: idle)
        language.alike(writers, language.contenders(language.Cell("tiny", "fp32", 1)), ids[:1], 4)
    writers.theirs.model.layers[1].mlp.up_proj.weight.data *= 2
    with pytest.raises(AssertionError, match="generate and minivit write other words"):
        language.alike(writers, running, ids, 4)
    halves = language.Writers(SPEAKS, torch.bfloat16)
    told = halves(rounds.Contender("minivit"), ids, 4)
    language.close(halves, ids, told)
    halves.theirs.model.layers[1].mlp.up_proj.weight.data *= 2
    with pytest.raises(AssertionError, match="transformers and minivit differ by"):
        language.close(halves, ids, told)
    monkeypatch.setattr(language, "stepping", lambda model, cache: lambda ids: model.head(model.table(ids)))
    with pytest.raises(AssertionError, match="no cache and minivit differ by"):
        language.close(language.Writers(SPEAKS, torch.bfloat16), ids, told)


@pytest.mark.slow
def test_every_weight_is_carried():
    model = language.build(SPEAKS)
    there = language_peers.there(model)
    assert sum(value.numel() for value in there.values()) == sum(value.numel() for value in model.parameters())
    theirs, ids = language_peers.llama(model), language.prompt(SPEAKS, 2, 7)
    with torch.no_grad():
        torch.testing.assert_close(theirs(input_ids=ids).logits, model(ids), rtol=1e-5, atol=1e-5)
    assert len(set(language.generate(model, ids, limit=12).ids[0].tolist())) > 4, "one token again and again"


def test_made_up_seconds_become_the_table_of_texts():
    seconds = {"minivit": [1.0, 2.0, 1.0], "generate": [3.0, 6.0, 3.0], "loop": [2.0, 4.0, 2.0]}
    seconds |= {
        "loop, static": [1.5, 3.0, 1.5],
        "prompt alone": [0.25, 0.5, 0.25],
        "minivit, one thread": [0.8, 0.8, 0.8],
        "prompt alone, one thread": [0.16, 0.16, 0.16],
        "prompt alone, compiled": [0.1, 0.1, 0.1],
    }
    cell = {"model": "tiny", "dtype": "fp32", "batch": 16, "prompt": "long", "read": 160, "new": 64, "seconds": seconds}
    plain, good = (language_table.row(cell, at_best) for at_best in (False, True))
    assert plain[3:] == ["160 + 64", "as it comes", "1,024", "25%", "3.00 (3.00–3.00)", "2.00 (2.00–2.00)", "3"]
    assert good[5:9] == ["1,280", "20%", "3.75 (3.75–5.62)", "1.88 (1.88–2.81)"]
    where = {"machine": "a machine", "threads": 2, "commit": "abc", "versions": {"transformers": "5"}, "whole": True}
    text = language_table.language_table({**where, "cells": [cell]})
    assert "a machine; threads: 2" in text and "minivit: one thread; generate: as it comes; loop: static" in text


def test_the_page_says_whether_it_shows_a_whole_run_of_texts():
    record = recorded("bench_language")
    found = [language.Cell(*(cell[field] for field in language.Cell._fields)) for cell in record["cells"]]
    assert found and set(found) <= set(language.cells()) and record["whole"] == (found == language.cells())
    assert all(len({*map(len, cell["seconds"].values())}) == 1 for cell in record["cells"])
    assert ("A part only" in language_table.language_table(record)) != record["whole"]
    assert (rounds.ROOT / "book" / "bench.md").read_text().count("<!-- bench language -->") == 1
