"""One language model twice: minivit's, and transformers' LlamaForCausalLM with its weights and two ways to write.

Every parameter of ours is named once, with its names there; transformers' own strict loading refuses what is left over.
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.peers import load
from minivit.language import Language

Write = Callable[[Tensor, int], Tensor]  # (B, T) ids, how many are wanted -> (B, that many) ids
# our name -> theirs; a block's number is kept, and one map of ours is several of theirs
PARTS = {
    r"table": ("model.embed_tokens",),
    r"norm": ("model.norm",),
    r"head": ("lm_head",),
    r"blocks\.(\d+)\.norm1": (r"model.layers.\1.input_layernorm",),
    r"blocks\.(\d+)\.norm2": (r"model.layers.\1.post_attention_layernorm",),
    r"blocks\.(\d+)\.attention\.qkv": tuple(rf"model.layers.\1.self_attn.{letter}_proj" for letter in "qkv"),
    r"blocks\.(\d+)\.attention\.out": (r"model.layers.\1.self_attn.o_proj",),
    r"blocks\.(\d+)\.mlp\.gate_up": (r"model.layers.\1.mlp.gate_proj", r"model.layers.\1.mlp.up_proj"),
    r"blocks\.(\d+)\.mlp\.down": (r"model.layers.\1.mlp.down_proj",),
}


def there(model: Language) -> dict[str, Tensor]:
    """Our weights under transformers' names."""
    c, found = model.config, {}
    rows = {3: (c.heads * c.head_dim, c.kv_heads * c.head_dim, c.kv_heads * c.head_dim), 2: (c.hidden, c.hidden)}
    for name, value in model.state_dict().items():
        part = name.removesuffix(".weight")
        pattern = next(pattern for pattern in PARTS if re.fullmatch(pattern, part))
        names = [re.sub(pattern, new, part) + ".weight" for new in PARTS[pattern]]
        found |= zip(names, value.split(rows.get(len(names), len(value))), strict=True)
    return found


def llama(model: Language) -> nn.Module:
    """transformers' LlamaForCausalLM with the weights of ours, in their type. No token ends a text."""
    library, c = load("transformers"), model.config
    config = library.LlamaConfig(
        vocab_size=c.vocabulary, hidden_size=c.width, intermediate_size=c.hidden, num_hidden_layers=c.depth,
        num_attention_heads=c.heads, num_key_value_heads=c.kv_heads, max_position_embeddings=c.context,
        rms_norm_eps=c.eps, rope_parameters={"rope_type": "default", "rope_theta": c.theta},
        tie_word_embeddings=c.tied, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    theirs = library.LlamaForCausalLM(config).eval()
    theirs.load_state_dict(there(model), strict=True)
    return theirs.to(model.table.weight.dtype)


def generate(model: nn.Module, static: bool = False) -> Write:
    """`generate`, greedy; as it comes its cache grows by concatenation, `static` has room for all from the start."""
    options = {"cache_implementation": "static"} if static else {}

    def write(ids: Tensor, count: int) -> Tensor:
        mask = torch.ones_like(ids)  # every token is real: it need not guess
        told = model.generate(ids, attention_mask=mask, max_new_tokens=count, do_sample=False, **options)
        return told[:, ids.shape[1] :]

    return write


def loop(model: nn.Module, static: bool = False) -> Write:
    """What one writes by hand: the model, its own cache, the most likely token, and again."""
    library = load("transformers")

    @torch.inference_mode()
    def write(ids: Tensor, count: int) -> Tensor:
        room = {"max_cache_len": ids.shape[1] + count} if static else {}
        cache = (library.StaticCache if static else library.DynamicCache)(config=model.config, **room)
        written, new = [], ids
        for _ in range(count):
            logits = model(input_ids=new, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
            new = logits[:, -1].argmax(dim=-1, keepdim=True)
            written.append(new)
        return torch.cat(written, dim=1)

    return write
