"""The laws of precision: bfloat16 only where the hardware has it, and every global setting put back."""

import platform

import pytest
import torch
from torch import nn

from minivit.train import Shuffled, adamw, classify, precision, train


@pytest.fixture
def machine(monkeypatch):
    """A processor with the given instructions, whatever this one has."""

    def build(amx=False, avx512_bf16=False, kind="x86_64", gpu=None):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        monkeypatch.setattr(platform, "machine", lambda: kind)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True: gpu == "has" or including_emulation
        )

    monkeypatch.delenv("MINIVIT_PRECISION", raising=False)
    return build


@pytest.mark.parametrize(
    "parts, dtype, why, matmul",
    [({"amx": True, "avx512_bf16": True}, torch.bfloat16, "has AMX", "highest"),
     ({"avx512_bf16": True}, torch.bfloat16, "has avx512_bf16", "medium"),
     ({}, torch.float32, "neither avx512_bf16 nor AMX", "medium"),
     ({"kind": "aarch64"}, torch.float32, "neither", "highest"),
     ({"kind": "AMD64"}, torch.float32, "neither", "medium")],
)  # fmt: skip
def test_auto_takes_what_the_processor_has_and_says_so(machine, parts, dtype, why, matmul):
    machine(**parts)
    with precision("auto", "cpu") as used:
        assert used.dtype == dtype and why in str(used) and str(used).startswith(f"{str(dtype)[6:]} on cpu")
        assert torch.is_autocast_enabled("cpu") == (dtype == torch.bfloat16)
        assert torch.get_float32_matmul_precision() == matmul
        product = nn.Linear(3, 5)(torch.ones(2, 3))
        assert product.dtype == dtype
    assert torch.get_float32_matmul_precision() == "highest" and not torch.is_autocast_enabled("cpu")


def test_emulation_on_a_gpu_does_not_count(machine):
    from minivit.train.numerics import _bfloat16

    machine(gpu="emulates")
    assert torch.cuda.is_bf16_supported(), "the question as most ask it"
    assert _bfloat16(torch.device("cuda")) == (False, "the GPU would only emulate bfloat16")
    machine(gpu="has")
    assert _bfloat16(torch.device("cuda")) == (True, "the GPU has bfloat16")
    assert _bfloat16(torch.device("mps"))[0] is False


def test_the_environment_switches_bfloat16_off(machine, monkeypatch):
    machine(amx=True)
    monkeypatch.setenv("MINIVIT_PRECISION", "fp32")
    for choice in ("auto", "bf16", "fp32"):
        with precision(choice, "cpu") as used:
            assert used.dtype == torch.float32 and "MINIVIT_PRECISION" in used.why
    monkeypatch.setenv("MINIVIT_PRECISION", "off")
    with pytest.raises(ValueError, match="'off'"), precision("auto", "cpu"):
        pass


def test_wrong_choices_are_refused(machine):
    machine()
    with pytest.raises(ValueError, match="fp16"), precision("fp16", "cpu"):
        pass
    with (
        pytest.raises(ValueError, match='neither avx512_bf16 nor AMX: choose precision="auto"'),
        precision("bf16", "cpu"),
    ):
        pass
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_settings_come_back_after_an_error(machine, error):
    machine(avx512_bf16=True)
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(error), precision("auto", "cpu"):
            assert torch.get_float32_matmul_precision() == "medium"
            raise error
        assert torch.get_float32_matmul_precision() == "high" and not torch.is_autocast_enabled("cpu")
    finally:
        torch.set_float32_matmul_precision("highest")


def test_settings_come_back_after_a_loss_that_fails(machine):
    machine(avx512_bf16=True)
    model = nn.Linear(3, 5)

    def loss(model, *batch):
        assert torch.get_float32_matmul_precision() == "medium"
        raise RuntimeError("a bug of the reader's")

    with pytest.raises(RuntimeError, match="reader's"):
        train(model, Shuffled(torch.ones(4, 3), batch=2, seed=0), loss, steps=3, optimizer=adamw(model), progress=False)
    assert torch.get_float32_matmul_precision() == "highest" and not torch.is_autocast_enabled("cpu")


def test_the_inner_context_counts(machine):
    machine(avx512_bf16=True)
    with precision("bf16", "cpu"), precision("fp32", "cpu"):
        assert nn.Linear(3, 5)(torch.ones(2, 3)).dtype == torch.float32


def moves(context):
    """Whether an update of the weight inside the context changes what the context computes."""
    layer = nn.Linear(3, 5, bias=False)
    with context:
        before = layer(torch.ones(2, 3))
        with torch.no_grad():
            layer.weight.add_(1)
        return not torch.equal(before, layer(torch.ones(2, 3)))


def test_weights_may_be_updated_inside(machine):
    machine(avx512_bf16=True)
    assert moves(precision("bf16", "cpu"))
    assert not moves(torch.autocast("cpu", torch.bfloat16)), "the wrong twin goes on with the weights it rounded first"


def test_training_in_bfloat16_learns_and_keeps_float32_weights(machine):
    machine(avx512_bf16=True)
    torch.manual_seed(0)
    model, labels = nn.Linear(6, 3), torch.arange(30) % 3
    images = torch.randn(30, 6, generator=torch.Generator().manual_seed(1)) + 2 * labels[:, None]
    seen = set()

    def loss(model, images, labels):
        seen.add(model(images).dtype)
        return classify(model, images, labels)

    options = {"steps": 80, "optimizer": adamw(model, 0.1), "progress": False, "every": 20}
    told = train(model, Shuffled(images, labels, batch=10, seed=0), loss, **options)
    assert seen == {torch.bfloat16} and model.weight.dtype == torch.float32
    assert told.losses[-1] < 0.5 * told.losses[0]
