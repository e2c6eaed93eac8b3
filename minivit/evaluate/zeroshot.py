"""Classes out of words: a classifier for which nothing is trained but the two towers, its classes written down.

Legend: B pictures or texts, K classes, E shared embedding width.

Every class is said in many ways. The mean of what the text tower makes of them is the class's vector, and a picture
belongs to the class whose vector is nearest. Source: Radford et al. 2021, sections 3.1.2 to 3.1.4.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.clip import Pairs, TwoTowers
from minivit.evaluate.calibration import Judged, judge
from minivit.evaluate.classify import _check_labels
from minivit.patches import _tensor, _whole
from minivit.siglip import SigLIP
from minivit.tokenizers import Tokenizer
from minivit.train import mode
from minivit.train import precision as computing

Template = str | Callable[[str], str]


def embed_images(model: TwoTowers, images: Tensor, batch: int = 256, precision: str = "fp32") -> Tensor:
    """(B, C, H, W) -> (B, E) of length 1, on the CPU: what the image tower makes of pictures, `batch` at a time.

    In evaluation mode, without gradients; `precision` is as in `accuracy`. Raises ValueError where a vector is NaN.
    """
    return _embedded(model, model.encode_images, _tensor(images, "images"), batch, precision, "picture")


def embed_texts(
    model: TwoTowers, tokenizer: Tokenizer, texts: Iterable[str], batch: int = 256, precision: str = "fp32"
) -> Tensor:
    """B texts -> (B, E) of length 1, on the CPU: what the text tower makes of them, as `embed_images`."""
    return _embedded(model, model.encode_texts, tokenizer(texts), batch, precision, "text")


def class_vectors(
    model: TwoTowers,
    tokenizer: Tokenizer,
    classes: Sequence[str] | Mapping[str, Sequence[str]],
    templates: Sequence[Template] = ("{}",),
    batch: int = 256,
    precision: str = "fp32",
) -> Tensor:
    """K classes -> (K, E) of length 1: for each the mean of its prompts' vectors, divided by its length.

    `classes` are names, or for each name the phrases that say it: synonyms, or whole captions, which the template "{}"
    leaves as they are. A template is a string with one "{}" where the phrase goes, or a function from phrase to prompt.
    All prompts are vectors of length 1 before the mean is taken, so each counts alike. Raises ValueError for classes
    or templates that are missing, doubled or without "{}", and for a prompt that two classes share.
    """
    prompts = _prompts(classes, templates)
    vectors = embed_texts(model, tokenizer, list(chain.from_iterable(prompts.values())), batch, precision)
    means = torch.stack([own.mean(dim=0) for own in vectors.split([len(own) for own in prompts.values()])])
    if (still := means.norm(dim=1) < 1e-6).any():
        name = list(prompts)[int(still.nonzero()[0])]
        raise ValueError(f"the {len(prompts[name])} prompts of class {name!r} cancel out and leave no direction")
    return F.normalize(means, dim=1)


def zero_shot(
    model: TwoTowers, images: Tensor, labels: Tensor, vectors: Tensor, batch: int = 256, precision: str = "fp32"
) -> Judged:
    """(B, C, H, W), (B,) int64, (K, E) -> the answers that the nearest of the classes' vectors gives, counted.

    Logits are the model's own: its scale times the cosine, plus SigLIP's bias. Accuracy stands beside 1 / K and the
    share of the most frequent class. Raises ValueError as `judge` and `embed_images`, and for vectors of another width.
    """
    _check_labels(_tensor(images, "images"), _tensor(labels, "labels"), "images")
    pictures = embed_images(model, images, batch, precision)
    if _tensor(vectors, "vectors").ndim != 2 or vectors.shape[1] != pictures.shape[1]:
        raise ValueError(
            f"the classes' vectors are (K, E) with the model's E = {pictures.shape[1]}; got {tuple(vectors.shape)}: "
            f"class_vectors makes them with the same model"
        )
    bias = model.bias.detach().cpu() if isinstance(model, SigLIP) else None
    return judge(Pairs(pictures, vectors.detach().to(pictures), model.scale.detach().cpu(), bias).logits, labels)


@torch.no_grad()
def _embedded(
    model: TwoTowers, encode: Callable[[Tensor], Tensor], rows: Tensor, batch: int, precision: str, name: str
) -> Tensor:
    _whole(batch, "a batch", f"{name}s")
    if not len(rows):
        raise ValueError(f"there is no {name}: give at least one")
    device = next(model.parameters()).device
    with computing(precision, device), mode(model, training=False):
        vectors = torch.cat([encode(part.to(device)).cpu() for part in rows.split(batch)])
    if (bad := ~vectors.isfinite().all(dim=1)).any():
        raise ValueError(
            f"{name} {int(bad.nonzero()[0])} of {len(rows)} has a vector with NaN: a weight or input is NaN"
        )
    return vectors


def _prompts(
    classes: Sequence[str] | Mapping[str, Sequence[str]], templates: Sequence[Template]
) -> dict[str, list[str]]:
    """Every class with all its prompts: each phrase in each template."""
    if isinstance(classes, str) or isinstance(templates, str) or callable(templates):
        raise ValueError("classes and templates are lists: put a single one into a list")
    names, templates = list(classes), list(templates)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if len(names) < 2 or doubled:
        raise ValueError(f"there must be 2 classes or more, each once; got {len(names)}, doubled: {doubled or 'none'}")
    if not templates:
        raise ValueError('there is no template: "{}" alone leaves every phrase as it is')
    for template in templates:
        if not callable(template) and (not isinstance(template, str) or template.count("{}") != 1):
            raise ValueError(
                f"a template has one {{}} where the class goes, as in 'a photo of a {{}}', or is a function; got "
                f"{template!r}"
            )
    prompts, owner = {}, {}
    for name in names:
        phrases = classes[name] if isinstance(classes, Mapping) else [name]
        if isinstance(phrases, str) or not len(phrases):
            raise ValueError(f"class {name!r} needs a list of phrases, at least one; got {phrases!r}")
        prompts[name] = [_filled(template, phrase) for phrase in phrases for template in templates]
        for prompt in prompts[name]:
            if owner.setdefault(prompt, name) != name:
                raise ValueError(
                    f"the prompt {prompt!r} stands for class {owner[prompt]!r} and for {name!r}: nothing can be of "
                    f"one and not of the other; change or leave out one of them"
                )
    return prompts


def _filled(template: Template, phrase: str) -> str:
    return template(phrase) if callable(template) else template.replace("{}", phrase)
