"""CLIP: pictures and texts become vectors in one space, where what belongs together lies close.

Legend: B pairs, E shared embedding width, scale the inverse temperature. Row i of the images belongs to row i of the
texts, and to no other. Logits are scale * cosine; every image picks its text out of the batch, every text its image.

Source: Radford et al. 2021, section 2.3 and figure 3; the temperature and its clamp: section 2.5. `clip_loss` is that
figure; `clip_loss_chunked` is equal to it in value and gradient and never holds all B * B logits.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from minivit.distributed import Traffic, agree, gather, place, total
from minivit.patches import _whole

LARGEST_SCALE = 100.0


class Pairs(NamedTuple):
    """What two towers made of a batch: all that a loss needs."""

    image: Tensor  # (B, E), of length 1
    text: Tensor  # (B, E), of length 1
    scale: Tensor  # (), what cosines are multiplied by
    bias: Tensor | None = None  # (), what is added then; SigLIP alone has one

    @property
    def logits(self) -> Tensor:
        """(B, B): row i is image i against every text."""
        logits = self.scale * (self.image @ self.text.T)
        return logits if self.bias is None else logits + self.bias


class TwoTowers(nn.Module):
    """An image tower and a text tower, each giving one vector, and a linear map from each into the shared space.

    `image_tower` takes pictures to (B, image_width), `text_tower` ids (B, T) to (B, text_width); the vectors that are
    compared have `width` numbers. With width=None the towers must end at the same width and are compared as they are.
    """

    def __init__(
        self,
        image_tower: nn.Module,
        text_tower: nn.Module,
        image_width: int,
        text_width: int,
        width: int | None,
        scale: float,
    ):
        super().__init__()
        _whole(image_width, "image_width", "values")
        _whole(text_width, "text_width", "values")
        if width is None and image_width != text_width:
            raise ValueError(
                f"the towers end at widths {image_width} and {text_width}, which cannot be compared: pass a width"
            )
        if width is not None:
            _whole(width, "the shared width E", "values")
        self.image_tower, self.text_tower = image_tower, text_tower
        maps = [nn.Identity() if width is None else nn.Linear(w, width, bias=False) for w in (image_width, text_width)]
        self.image_projection, self.text_projection = maps
        for one in maps if width else ():
            nn.init.normal_(one.weight, std=one.in_features**-0.5)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, E), of length 1, in float32 at least."""
        return _of_length_one(self.image_projection(self.image_tower(images)))

    def encode_texts(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, E), of length 1, in float32 at least."""
        return _of_length_one(self.text_projection(self.text_tower(ids)))


class CLIP(TwoTowers):
    """(B, C, H, W), (B, T) -> `Pairs`; see `TwoTowers`. The logarithm of the scale is learnt, from ln(1 / 0.07) on."""

    def __init__(
        self, image_tower: nn.Module, text_tower: nn.Module, image_width: int, text_width: int, width: int | None
    ):
        super().__init__(image_tower, text_tower, image_width, text_width, width, scale=1 / 0.07)

    @property
    def scale(self) -> Tensor:
        """(): at most 100."""
        with torch.no_grad():  # the weight itself: a clamp of the value passes nothing back, and it would stay up there
            self.log_scale.clamp_(max=math.log(LARGEST_SCALE))
        return self.log_scale.exp()

    def forward(self, images: Tensor, ids: Tensor) -> Pairs:
        """(B, C, H, W), (B, T) -> unit vectors of both and the scale."""
        return Pairs(self.encode_images(images), self.encode_texts(ids), self.scale)


def clip_objective(model: nn.Module, images: Tensor, ids: Tensor) -> Tensor:
    """(B, C, H, W), (B, T) -> `clip_loss` of a CLIP: a loss for `train`."""
    return clip_loss(*model(images, ids)[:3])


def clip_loss(image: Tensor, text: Tensor, scale: Tensor | float) -> Tensor:
    """(B, E), (B, E) of length 1 -> (): cross-entropy of finding the text for each image and the image for each text.

    In nats, the mean of both directions; in float32 at least, under autocast too. Raises ValueError for vectors that
    are no pairs, not finite or not of length 1, naming the first; for one pair alone; for a scale that overflowed.
    """
    image, text, scale = ready(image, text, scale)
    _more_than_one(len(image))
    with exact(image):
        logits = scale * (image @ text.T)
        right = torch.arange(len(image), device=image.device)
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def clip_loss_chunked(image: Tensor, text: Tensor, scale: Tensor | float, chunk: int = 512) -> Tensor:
    """(B, E), (B, E) of length 1 -> (): `clip_loss` that holds chunk * chunk logits at a time.

    A first pass over the logits sums their exponentials row by row and column by column; backward builds each block
    once more, makes it the gradient, and spends it. Errors are those of `clip_loss`.
    """
    image, text, scale = ready(image, text, scale)
    _more_than_one(len(image))
    with exact(image):
        return _Softmax.apply(image, text, scale, _whole(chunk, "a chunk", "rows"))


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image: Tensor, text: Tensor, scale: Tensor, chunk: int) -> Tensor:
        ctx.chunk, ctx.small = chunk, _small(scale, len(image))
        # log of the sum of exponentials, of every image over all texts and of every text over all images
        if ctx.small:
            by_image, by_text = image.new_zeros(2, len(image))
            for rows, columns, logits in _blocks(image, text, float(scale), chunk):
                powers = logits.exp_()
                by_image[rows] += powers.sum(dim=1)
                by_text[columns] += powers.sum(dim=0)
            by_image, by_text = by_image.log(), by_text.log()
        else:
            by_image, by_text = image.new_full((2, len(image)), -torch.inf)
            for rows, columns, logits in _blocks(image, text, float(scale), chunk):
                by_image[rows] = torch.logaddexp(by_image[rows], logits.logsumexp(dim=1))
                by_text[columns] = torch.logaddexp(by_text[columns], logits.logsumexp(dim=0))
        ctx.save_for_backward(image, text, scale, by_image, by_text)
        right = scale * (image * text).sum(dim=1)
        return (by_image - right + by_text - right).mean() / 2

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        image, text, scale, by_image, by_text = ctx.saved_tensors
        toward_image, toward_text = torch.zeros_like(image), torch.zeros_like(text)
        with exact(image):
            for rows, columns, logits in _blocks(image, text, float(scale), ctx.chunk):
                # the share that each image gives this text, plus the share that each text gives this image
                if ctx.small:
                    shares = logits.exp_().mul_((-by_image[rows, None]).exp() + (-by_text[columns]).exp())
                else:
                    shares = (logits - by_image[rows, None]).exp_()
                    shares += logits.sub_(by_text[columns]).exp_()
                if rows == columns:
                    shares.diagonal().sub_(2)
                toward_image[rows].addmm_(shares, text[columns])
                toward_text[columns].addmm_(shares.T, image[rows])
            weight = gradient / (2 * len(image))
            by_scale = weight * torch.linalg.vecdot(image, toward_image).sum()
            return toward_image.mul_(weight * scale), toward_text.mul_(weight * scale), by_scale, None


def _small(scale: Tensor, count: int) -> bool:
    """Whether sums of e^logit and their inverses fit float32, which ends at e^88: then one exponential serves rows and
    columns both, and no largest logit need be taken off first.
    """
    return float(scale) * 1.03 + math.log(count) < 80


def _blocks(image: Tensor, text: Tensor, scale: float, chunk: int) -> Iterator[tuple[slice, slice, Tensor]]:
    """Every block of the logits: its rows, its columns, and its values in a buffer that the next one overwrites."""
    buffer = image.new_empty(min(chunk, len(image)) * min(chunk, len(text)))
    for i in range(0, len(image), chunk):
        rows = slice(i, min(i + chunk, len(image)))
        scaled = image[rows] * scale
        for j in range(0, len(text), chunk):
            columns = slice(j, min(j + chunk, len(text)))
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            logits = buffer[: shape[0] * shape[1]].view(shape)
            yield rows, columns, torch.mm(scaled, text[columns].T, out=logits)


def clip_loss_gathered(
    image: Tensor, text: Tensor, scale: Tensor | float, traffic: Traffic | None = None
) -> Tensor:  # fmt: skip
    """(n, E), (n, E) of length 1 -> (): `clip_loss` of the rows of all processes; n may differ between them.

    Every vector goes to every process, which then compares its own rows with all others: n * N logits each way. The
    value is that of the whole batch in every process, and the mean over processes of their gradients, which DDP takes,
    is its gradient. Raises ValueError in every process if one refuses its rows, `distributed.Lost` if one is gone.
    """
    image, text, scale, sizes = ready_together(image, text, scale)
    rank, _ = place()
    _more_than_one(sum(sizes))
    with exact(image):
        both = gather(torch.cat([image, text], dim=1), sizes, traffic)
        all_images, all_texts = both.split(image.shape[1], dim=1)
        right = torch.arange(len(image), device=image.device) + sum(sizes[:rank])
        by_image = F.cross_entropy(scale * (image @ all_texts.T), right, reduction="sum")
        by_text = F.cross_entropy(scale * (text @ all_images.T), right, reduction="sum")
        return mean_of_processes((by_image + by_text) / (2 * sum(sizes)))


def mean_of_processes(share: Tensor) -> Tensor:
    """() -> (): this process's share of a loss, with the value of the whole and a gradient fit for DDP's mean."""
    weighted = share * place()[1]
    return weighted + (total(share) - weighted.detach())


# What every loss on pairs asks for


def exact(like: Tensor) -> torch.autocast:
    """The context in which products are computed in the tensors' own type: a loss needs the bits autocast drops."""
    return torch.autocast(like.device.type, enabled=False)


def ready(image: Tensor, text: Tensor, *numbers: Tensor | float) -> tuple[Tensor, ...]:
    """(B, E), (B, E), scale and perhaps bias, checked and in one type, float32 at least."""
    for name, vectors in (("images", image), ("texts", text)):
        if not isinstance(vectors, Tensor) or vectors.ndim != 2 or not vectors.is_floating_point():
            got = f"{vectors.dtype}, {tuple(vectors.shape)}" if isinstance(vectors, Tensor) else type(vectors).__name__
            raise ValueError(f"{name} are vectors (B, E), what a tower's encode gives; got {got}")
    if len(image) != len(text):
        raise ValueError(
            f"{len(image)} images and {len(text)} texts are no pairs, row i with row i: repeat an image for each of "
            f"its texts, or draw one text for each image"
        )
    if image.shape != text.shape or not image.numel():
        raise ValueError(
            f"images and texts share one width and are one pair at least; got {tuple(image.shape)} and "
            f"{tuple(text.shape)}"
        )
    _of_length_one_already(image, text)
    dtype = torch.promote_types(torch.promote_types(image.dtype, text.dtype), torch.float32)
    numbers = tuple(torch.as_tensor(number, device=image.device).to(dtype).reshape(()) for number in numbers)
    values = torch.stack([number.detach() for number in numbers]).tolist()
    if not all(map(math.isfinite, values)) or values[0] <= 0:
        raise ValueError(
            f"the scale is finite and above 0, and a bias finite; got {', '.join(f'{value:g}' for value in values)}. "
            f"A scale that overflows was learnt too fast: clamp its logarithm (at ln 100 in CLIP) or lower its rate"
        )
    return image.to(dtype), text.to(dtype), *numbers


def ready_together(image: Tensor, text: Tensor, *numbers: Tensor | float) -> tuple:
    """What `ready` gives, and the number of rows in every process; all raise ValueError if one refuses."""
    found: list[tuple[Tensor, ...]] = []

    def check() -> tuple[int, int, int, int]:
        found.append(ready(image, text, *numbers))
        learning = torch.is_grad_enabled() and any(part.requires_grad for part in found[0])
        return (*found[0][0].shape, found[0][0].element_size(), int(learning))

    device = image.device if isinstance(image, Tensor) else torch.device("cpu")
    sizes = agree(check, ("rows", "width", "bytes a number", "wish for gradients (1) or none (0)"), device)
    return *found[0], sizes


def _of_length_one(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=-1)


def _of_length_one_already(image: Tensor, text: Tensor) -> None:
    """One per cent is allowed, for half precision; more is a forgotten division, or a number that is none."""
    lengths = torch.stack([vectors.detach().float().norm(dim=1) for vectors in (image, text)])
    wrong = ~((lengths - 1).abs() < 0.01)
    if not wrong.any():
        return
    first = int(wrong.any(dim=0).nonzero()[0])
    side = 0 if wrong[0, first] else 1
    length, vector = lengths[side, first].item(), ("image", "text")[side]
    if not math.isfinite(length):
        values = (image, text)[side][first]
        kind = "NaN" if values.isnan().any() else "an infinite or far too large number"
        raise ValueError(f"the {vector} vector of pair {first} holds {kind}: look at what that {vector} is")
    raise ValueError(
        f"the {vector} vector of pair {first} has length {length:.4g}, and cosines are of vectors of length 1: divide "
        f"by the length, F.normalize(vectors, dim=-1)"
    )


def _more_than_one(pairs: int) -> None:
    if pairs < 2:
        raise ValueError("one pair alone has nothing to be told apart from: its softmax is 1 and nothing is learnt")
