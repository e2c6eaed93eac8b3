"""Training: one loop for every lesson, with the loss as its argument.

    history = train(model, Shuffled(images, labels, batch=128, seed=0), classify, steps=450, optimizer=muon(model))

`loop` reads top to bottom; each thing it calls has a file: `numerics` what is computed in which precision, `order` the
shuffled batches, `optimizers` AdamW and Muon, `schedule` the learning rate, `checkpoints` stopping and going on,
`history` what was measured, `progress` the bar, `finite` and `interruption` what may go wrong.
"""

from minivit.train.checkpoints import Place, load_checkpoint, save_checkpoint
from minivit.train.history import History
from minivit.train.interruption import Interrupted
from minivit.train.loop import train
from minivit.train.losses import classify
from minivit.train.modes import mode
from minivit.train.numerics import Precision, precision
from minivit.train.optimizers import adamw, muon, sorted_parameters
from minivit.train.order import Resumable, Shuffled
from minivit.train.progress import Progress
from minivit.train.schedule import cosine

__all__ = [
    "History", "Interrupted", "Place", "Precision", "Progress", "Resumable", "Shuffled", "adamw", "classify", "cosine",
    "load_checkpoint", "mode", "muon", "precision", "save_checkpoint", "sorted_parameters", "train",
]  # fmt: skip
