"""Several processes, one batch.

    found = split(siglip_loss_ring, image, text, 10.0, -10.0, sizes=(3, 3, 3, 3))

runs a loss in four processes and puts together what they found. `exchange` is what a loss sends and receives, counted
on request; `processes` starts processes, and ends all when one fails.

Gradients follow the convention of torch's DistributedDataParallel (DDP): a process weighs its share of the loss W
times, and the mean over processes is then the gradient of one big batch.
"""

from minivit.distributed.exchange import Lost, Message, Traffic, Visitor, agree, gather, home, place, total, visitors
from minivit.distributed.processes import Split, run, split

__all__ = [
    "Lost", "Message", "Split", "Traffic", "Visitor", "agree", "gather", "home", "place", "run", "split", "total",
    "visitors",
]  # fmt: skip
