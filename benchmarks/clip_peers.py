"""One CLIP three times: minivit's, and open_clip's and transformers' with its weights.

Every parameter of ours is named once, with its name there; a peer's own strict loading refuses what is left over.
"""

import re

import torch
from torch import Tensor, nn

from benchmarks.peers import load
from minivit.clip import CLIP, clip_loss
from minivit.patches import conv_from_linear
from minivit.text import FirstEnd, TextConfig, TextTower
from minivit.vit import ViT, ViTConfig

EMBED = 512
IMAGE = ViTConfig(224, 32, eps=1e-5, activation="quick_gelu")
TEXT = TextConfig()
# our name -> open_clip's, transformers'; a block's number is kept
TOWERS = {
    r"image_tower\.": ("visual.", "vision_model."),
    r"text_tower\.": ("", "text_model."),
}
PARTS = {
    r"encoder\.blocks\.(\d+)\.": (r"transformer.resblocks.\1.", r"encoder.layers.\1."),
    r"norm1\.": ("ln_1.", "layer_norm1."),
    r"norm2\.": ("ln_2.", "layer_norm2."),
    r"attention\.qkv\.": ("attn.in_proj_", "self_attn."),
    r"attention\.out\.": ("attn.out_proj.", "self_attn.out_proj."),
    r"mlp\.up\.": ("mlp.c_fc.", "mlp.fc1."),
    r"mlp\.down\.": ("mlp.c_proj.", "mlp.fc2."),
    r"before\.": ("ln_pre.", "pre_layrnorm."),
}
WHOLE = {
    "image_tower.encoder.norm": ("visual.ln_post", "vision_model.post_layernorm"),
    "text_tower.encoder.norm": ("ln_final", "text_model.final_layer_norm"),
    "text_tower.embed": ("token_embedding", "text_model.embeddings.token_embedding"),
    "text_tower.positions": ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    "image_tower.stem.projection": ("visual.conv1", "vision_model.embeddings.patch_embedding"),
    "image_tower.positions.table": (
        "visual.positional_embedding",
        "vision_model.embeddings.position_embedding.weight",
    ),
    "image_tower.prefix": ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
    "image_projection.weight": ("visual.proj", "visual_projection.weight"),
    "text_projection.weight": ("text_projection", "text_projection.weight"),
    "log_scale": ("logit_scale", "logit_scale"),
}


def ours(image: ViTConfig = IMAGE, text: TextConfig = TEXT, embed: int = EMBED) -> CLIP:
    """minivit's CLIP of these sizes; the last id ends a text."""
    tower = ViT(image, before=nn.LayerNorm(image.width, eps=image.eps))
    tower.stem.projection.bias = None  # as in the released CLIP
    return CLIP(tower, TextTower(text, FirstEnd(text.vocabulary - 1)), image.width, text.width, embed)


def there(model: CLIP, library: str) -> dict[str, Tensor]:
    """Our weights under the library's names and in its shapes."""
    column, found = ("open_clip", "transformers").index(library), {}
    for name, value in model.state_dict().items():
        if name == "image_tower.stem.projection.weight":
            value = conv_from_linear(value, model.image_tower.config.patch)
        elif name == "image_tower.prefix":
            value = value[0]
        elif name == "image_tower.positions.table":  # their class token has a place
            value = torch.cat([torch.zeros_like(value[:1]), value])
        elif name.endswith("projection.weight") and library == "open_clip":
            value = value.T
        new = _renamed(name, column)
        if library == "transformers" and ".attention.qkv." in name:
            start, kind = new.rsplit(".", 1)
            found |= {f"{start}.{letter}_proj.{kind}": part for letter, part in zip("qkv", value.chunk(3), strict=True)}
        else:
            found[new] = value
    return found


def _renamed(name: str, column: int) -> str:
    for start, names in WHOLE.items():
        if name == start or name.startswith(f"{start}."):
            return names[column] + name.removeprefix(start)
    for pattern, names in (TOWERS | PARTS).items():
        name = re.sub(pattern, names[column], name)
    return name


class OpenCLIP(nn.Module):
    """open_clip's CLIP with the weights of ours; (B, 3, H, W), (B, T) -> vectors of length 1, and the scale."""

    def __init__(self, model: CLIP):
        super().__init__()
        image, text = model.image_tower.config, model.text_tower.config
        self.model = load("open_clip.model").CLIP(
            model.image_projection.out_features,
            {"image_size": image.size[0], "patch_size": image.patch, "width": image.width, "layers": image.depth,
             "head_width": image.head_dim},
            {"context_length": text.length, "vocab_size": text.vocabulary, "width": text.width, "layers": text.depth,
             "heads": text.heads},
            quick_gelu=True,
        )  # fmt: skip
        self.model.load_state_dict(there(model, "open_clip"), strict=True)
        self.loss = load("open_clip.loss").ClipLoss()

    def forward(self, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.model(images, ids)

    def objective(self, images: Tensor, ids: Tensor) -> Tensor:
        """The loss that open_clip trains with."""
        return self.loss(*self(images, ids))


class Transformers(nn.Module):
    """transformers' CLIPModel with the weights of ours; (B, 3, H, W), (B, T) -> vectors of length 1."""

    def __init__(self, model: CLIP):
        super().__init__()
        library, (image, text) = load("transformers"), (model.image_tower.config, model.text_tower.config)
        config = library.CLIPConfig(
            text_config={**_sizes(text), "vocab_size": text.vocabulary, "max_position_embeddings": text.length,
                         "bos_token_id": text.vocabulary - 2, "eos_token_id": text.vocabulary - 1},
            vision_config={**_sizes(image), "image_size": image.size[0], "patch_size": image.patch},
            projection_dim=model.image_projection.out_features,
        )  # fmt: skip
        self.model = library.CLIPModel(config)
        self.model.load_state_dict(there(model, "transformers"), strict=True)

    def forward(self, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        found = self.model(input_ids=ids, pixel_values=images)
        return found.image_embeds, found.text_embeds

    def objective(self, images: Tensor, ids: Tensor) -> Tensor:
        """transformers' own loss."""
        return self.model(input_ids=ids, pixel_values=images, return_loss=True).loss

    def switch_fused(self, fused: bool) -> None:
        """Fused attention on, as it comes, or off."""
        self.model.set_attn_implementation("sdpa" if fused else "eager")


def _sizes(config: ViTConfig | TextConfig) -> dict:
    return {
        "hidden_size": config.width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "intermediate_size": config.hidden,
    }


class Ours(nn.Module):
    """minivit's CLIP and its plain loss, called as the others are."""

    def __init__(self, model: CLIP):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.model(images, ids)[:3]

    def objective(self, images: Tensor, ids: Tensor) -> Tensor:
        """`clip_objective`."""
        return clip_loss(*self(images, ids))
