"""PyTorch on one thread, or a word on where to get it. Import this first."""
import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
try:
    import torch
except ImportError:
    sys.exit("error: this Python has no PyTorch; `apt-get install python3-torch` and run with "
             "/usr/bin/python3, or `pip install torch`")
torch.set_num_threads(1)
