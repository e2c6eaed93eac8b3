"""Stop `make gpu-test` in one clear sentence where there is no GPU to test on; otherwise name it."""

import sys

import torch

if not torch.cuda.is_available():
    sys.exit(
        f"make gpu-test needs a GPU: torch {torch.__version__} finds no CUDA device here. `make test` runs on a CPU"
    )
print(f"Testing on {torch.cuda.get_device_name()} with torch {torch.__version__}")
