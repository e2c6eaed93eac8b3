"""SigLIP: every image meets every text, and each meeting is a question of its own: do these two belong together?

Legend: B pairs, E shared embedding width, W processes. A logit is scale * cosine + bias; the loss is softplus(-logit)
for the B pairs that belong together and softplus(logit) for the B * B - B others. No meeting looks at another, so the
sum can be taken in blocks of any size, anywhere.

Source: Zhai et al. 2023, section 3.2 and algorithm 1; the ring: section 3.3.
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from minivit.clip import Pairs, TwoTowers, exact, ready, ready_together
from minivit.distributed import Traffic, Visitor, home, total, visitors
from minivit.patches import _whole

MEANS = ("images", "pairs")


class SigLIP(TwoTowers):
    """(B, C, H, W), (B, T) -> `Pairs` with a bias; see `TwoTowers`.

    The scale starts at 10 and its logarithm is learnt. The bias starts at -10: of B * B meetings only B are of what
    belongs together, and at the start all of them should be answered with no.
    """

    def __init__(
        self,
        image_tower: nn.Module,
        text_tower: nn.Module,
        image_width: int,
        text_width: int,
        width: int | None,
        bias: float = -10.0,
    ):
        super().__init__(image_tower, text_tower, image_width, text_width, width, scale=10.0)
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    @property
    def scale(self) -> Tensor:
        """(): the paper has no clamp here."""
        return self.log_scale.exp()

    def forward(self, images: Tensor, ids: Tensor) -> Pairs:
        """(B, C, H, W), (B, T) -> unit vectors of both, the scale and the bias."""
        return Pairs(self.encode_images(images), self.encode_texts(ids), self.scale, self.bias)


def siglip_objective(model: nn.Module, images: Tensor, ids: Tensor) -> Tensor:
    """(B, C, H, W), (B, T) -> `siglip_loss` of a SigLIP: a loss for `train`."""
    return siglip_loss(*model(images, ids))


def siglip_loss(
    image: Tensor, text: Tensor, scale: Tensor | float, bias: Tensor | float, mean: str = "images"
) -> Tensor:
    """(B, E), (B, E) of length 1 -> (): the sum of all B * B answers' losses, divided.

    By B with mean="images", as in the paper, and by B * B with mean="pairs", which is B times smaller. In nats, and in
    float32 at least. Raises ValueError for vectors that are no pairs, not finite or not of length 1, naming the first;
    for a scale that overflowed.
    """
    image, text, scale, bias = ready(image, text, scale, bias)
    divisor = _divisor(mean, len(image))
    with exact(image):
        logits = scale * (image @ text.T) + bias
        belongs = torch.eye(len(image), dtype=torch.bool, device=image.device)
        return F.softplus(torch.where(belongs, -logits, logits)).sum() / divisor


def siglip_loss_chunked(
    image: Tensor, text: Tensor, scale: Tensor | float, bias: Tensor | float, mean: str = "images", chunk: int = 512
) -> Tensor:
    """(B, E), (B, E) of length 1 -> (): `siglip_loss` that holds chunk * chunk logits at a time.

    Each block is built once: it gives its share of the loss, becomes its own gradient in place, and is spent.
    """
    image, text, scale, bias = ready(image, text, scale, bias)
    divisor, learning = _divisor(mean, len(image)), _learning(image, text, scale, bias)
    with exact(image):
        return _Sigmoid.apply(image, text, scale, bias, None, divisor, _whole(chunk, "a chunk", "rows"), learning)


def siglip_loss_ring(
    image: Tensor,
    text: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    mean: str = "images",
    chunk: int = 512,
    traffic: Traffic | None = None,
) -> Tensor:
    """(n, E), (n, E) of length 1 -> (): `siglip_loss` of the rows of all processes; n may differ between them.

    Texts travel round the ring both ways; images stay. Where a block of texts visits, its share of the loss and its
    gradient are computed, and the gradient is sent home. A process holds at most two blocks of each way, the visitor
    and the room for the next; `traffic` counts. The value is that of the whole batch in every process, and the mean
    over processes of their gradients, which DDP takes, is its gradient. Backward sends nothing.

    Raises ValueError in every process if one refuses its rows, `distributed.Lost` if one is gone.
    """
    image, text, scale, bias, sizes = ready_together(image, text, scale, bias)
    traffic = Traffic() if traffic is None else traffic
    divisor, learning = _divisor(mean, sum(sizes)), _learning(image, text, scale, bias)
    with exact(image):
        ring = (sizes, traffic)
        return _Sigmoid.apply(image, text, scale, bias, ring, divisor, _whole(chunk, "a chunk", "rows"), learning)


class _Sigmoid(torch.autograd.Function):
    """The blocks that come by, one after another; what backward hands out is found on the way."""

    @staticmethod
    def forward(
        ctx,
        image: Tensor,
        text: Tensor,
        scale: Tensor,
        bias: Tensor,
        ring: tuple[list[int], Traffic] | None,
        divisor: int,
        chunk: int,
        learning: bool,
    ) -> Tensor:
        toward_image, toward_text = torch.zeros_like(image), torch.zeros_like(text)
        sums = torch.zeros(2, dtype=torch.float64, device=image.device)
        for visitor in [Visitor(text, 0, "own")] if ring is None else visitors(text, *ring):
            own = visitor.way == "own"
            toward = toward_text if own else torch.zeros_like(visitor.block)
            sums += _meet(image, visitor.block, scale, bias, own, (toward_image, toward) if learning else None, chunk)
            if learning and not own:
                toward_text += home(visitor, toward, text, ring[1])
            del visitor, toward  # before the next one comes in
        if learning:
            weight = scale * ((1 if ring is None else len(ring[0])) / divisor)  # for DDP's mean
            by_scale = torch.linalg.vecdot(image, toward_image).sum() * weight / scale
            by_bias = sums[1].to(image.dtype) * weight / scale
            ctx.save_for_backward(toward_image.mul_(weight), toward_text.mul_(weight), by_scale, by_bias)
        return ((sums[0] if ring is None else total(sums[0])) / divisor).to(image.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient * found for found in ctx.saved_tensors), None, None, None, None


def _meet(
    image: Tensor,
    text: Tensor,
    scale: Tensor,
    bias: Tensor,
    own: bool,
    toward: tuple[Tensor, Tensor] | None,
    chunk: int,
) -> Tensor:
    """(n, E), (m, E) -> (2,): the sum of n * m losses, and of their derivatives by the logit.

    `own` says that row i belongs to row i. What is added to `toward` lacks the factor `scale`.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=image.device)
    buffer = image.new_empty(min(chunk, len(image)) * min(chunk, len(text)))
    small = float(scale * 1.03 + bias.abs()) < 80  # then no logit reaches e^88, where float32 ends
    for i in range(0, len(image), chunk):
        for j in range(0, len(text), chunk):
            a, b = image[i : i + chunk], text[j : j + chunk]
            logits = torch.addmm(bias, a, b.T, alpha=float(scale), out=buffer[: len(a) * len(b)].view(len(a), len(b)))
            if own and i == j:  # the answer to these is yes
                logits.diagonal().neg_()
            if small:  # one exponential serves both: softplus is log(1 + e^z), its derivative e^z / (1 + e^z)
                powers = logits.exp_()
                sums[0] += powers.log1p().sum()
            else:
                sums[0] += F.softplus(logits).sum()
            if toward is None:
                continue
            gradients = powers.div_(powers + 1) if small else logits.sigmoid_()
            if own and i == j:
                gradients.diagonal().neg_()
            sums[1] += gradients.sum()
            toward[0][i : i + chunk].addmm_(gradients, b)
            toward[1][j : j + chunk].addmm_(gradients.T, a)
    return sums


def _learning(*parts: Tensor) -> bool:
    return torch.is_grad_enabled() and any(part.requires_grad for part in parts)


def _divisor(mean: str, pairs: int) -> int:
    if mean not in MEANS:
        raise ValueError(f'mean is "images", the sum over B, or "pairs", the sum over B * B; got {mean!r}')
    return pairs if mean == "images" else pairs * pairs
