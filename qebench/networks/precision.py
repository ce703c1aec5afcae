"""The precision in which networks multiply: float32 as it says, or one of those that GPUs are faster in."""

from contextlib import AbstractContextManager, nullcontext

import torch

# tf32: float32 whose factors keep 10 bits of 23, on NVIDIA's GPUs since Ampere; bf16, fp16: PyTorch's automatic mixed
# precision, in which convolutions and matrix products take and give 16 bits, and sums with the image stay in float32.
NAMES = ("float32", "tf32", "bf16", "fp16")
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
AMPERE = (8, 0)  # compute capability


def use(name: str, device: str) -> None:
    """Make float32 on NVIDIA's GPUs mean float32, which for convolutions it does not by default, or TF32 if asked for.

    It holds for the process. Raises ValueError if there is no precision of that name, or the device has no TF32.
    """
    if name not in NAMES:
        raise ValueError(f"precision {name!r}: it can be {', '.join(NAMES)}")
    kind = torch.device(device).type
    if name == "tf32" and (kind != "cuda" or torch.cuda.get_device_capability(device) < AMPERE):
        raise ValueError(f"precision tf32: {device} has no TF32, which NVIDIA's GPUs have since Ampere: take float32")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"


def computing(name: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a network computes on a device in the precision `name`."""
    return torch.autocast(device.type, HALVES[name]) if name in HALVES else nullcontext()
