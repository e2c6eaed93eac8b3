"""Shared by all tests: laws are judged at full matrix precision, and hypothesis runs alike on every machine."""

import os
import signal

import torch
from hypothesis import HealthCheck, settings

torch.set_float32_matmul_precision("highest")
torch.backends.cudnn.allow_tf32 = False

# A shell that starts tests in the background lets them ignore Ctrl-C, and the tests of Ctrl-C would test nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("seeded", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))
