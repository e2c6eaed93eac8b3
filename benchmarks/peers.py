"""The libraries that minivit is measured against and proved equal to: timm, transformers, vit-pytorch, open_clip.

They are imported when a function asks for them, and they belong to the tests' extra: `pip install minivit[test]`.
"""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from minivit.teach.elsewhere import torchvision
from minivit.vit import ViTConfig


def load(name: str) -> ModuleType:
    """timm, transformers, vit_pytorch or one of their modules, imported so that it works beside any build of torch."""
    torchvision()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ImportError(f"{name} is missing: pip install 'minivit[test]'") from error


def timm_vit(config: ViTConfig, classes: int) -> nn.Module:
    """timm's VisionTransformer."""
    return load("timm.models.vision_transformer").VisionTransformer(
        img_size=config.size,
        patch_size=config.patch,
        in_chans=config.channels,
        num_classes=classes,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=config.hidden / config.width,
    )


def transformers_vit(config: ViTConfig, classes: int) -> nn.Module:
    """transformers' ViTForImageClassification, giving logits; the model itself is `.model`."""
    library = load("transformers")
    numbers = library.ViTConfig(
        image_size=config.size,
        patch_size=config.patch,
        num_channels=config.channels,
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        intermediate_size=config.hidden,
        layer_norm_eps=config.eps,
        num_labels=classes,
        attn_implementation="sdpa",
    )
    return _Logits(library.ViTForImageClassification(numbers))


class _Logits(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).logits


def vit_pytorch_vit(config: ViTConfig, classes: int) -> nn.Module:
    """vit-pytorch's ViT, with explicit attention."""
    return load("vit_pytorch").ViT(**_vit_pytorch(config, classes))


def simple_vit(config: ViTConfig, classes: int) -> nn.Module:
    """vit-pytorch's SimpleViT: no class token, fixed positions, no biases in attention, explicit attention."""
    return load("vit_pytorch").SimpleViT(**_vit_pytorch(config, classes))


def _vit_pytorch(config: ViTConfig, classes: int) -> dict:
    return {
        "image_size": config.size,
        "patch_size": config.patch,
        "channels": config.channels,
        "num_classes": classes,
        "dim": config.width,
        "depth": config.depth,
        "heads": config.heads,
        "dim_head": config.head_dim,
        "mlp_dim": config.hidden,
    }


def switch_fused(model: nn.Module, fused: bool) -> None:
    """Fused attention on, as timm's and transformers' models come, or off, which is often faster on a CPU.

    timm's switch is `timm.layers.set_fused_attn`, which a block reads once, when it is made: what it read is set here.
    """
    if isinstance(model, _Logits):
        model.model.set_attn_implementation("sdpa" if fused else "eager")
    else:
        for block in model.blocks:
            block.attn.fused_attn = fused


def open_clip_loss(name: str) -> nn.Module:
    """open_clip's SigLipLoss or ClipLoss, from its file alone: the whole package takes seconds to import."""
    package = importlib.util.find_spec("open_clip")
    if package is None:
        raise ImportError("open_clip is missing: pip install 'minivit[test]'")
    place = Path(package.origin).with_name("loss.py")
    source = importlib.util.spec_from_file_location("open_clip_loss", place)
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    return getattr(module, name)()
