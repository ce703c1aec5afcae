"""One training run: the network and all that changes from step to step, as one state to save and to go on from."""

import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from qebench.common import devices, files
from qebench.training import losses, parallel
from qebench.training.averaging import Average
from qebench.training.optimizers import OPTIMIZERS

Batch = tuple[Tensor, Tensor, Tensor]  # originals and decoded crops, and the indices of their qualities
LAST_RATE = 0.01  # of the learning rate, at the end of the cosine


@dataclass(frozen=True)
class Settings:
    """What decides the weights, besides the pairs and the network; a name that is unknown raises ValueError."""

    steps: int = 20_000
    batch: int = 16
    patch: int = 64
    learning_rate: float = 1e-3
    warmup: int = 200
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    loss: str = "relative"  # one of losses.LOSSES
    exit_weights: str = "paper"  # one of losses.EXIT_WEIGHTS, or losses.EQUAL
    optimizer: str = "adam"  # one of optimizers.OPTIMIZERS
    half: bool = True  # bfloat16 within the network, where the machine computes it faster

    def __post_init__(self) -> None:
        choices = {
            "loss": losses.LOSSES,
            "exit_weights": [*losses.EXIT_WEIGHTS, losses.EQUAL],
            "optimizer": OPTIMIZERS,
        }
        for name, known in choices.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} is {value!r}: it can be {', '.join(known)}")


@dataclass
class Clock:
    """Seconds of a run, over all its parts: in all, making steps, and of those waiting for crops."""

    total: float = 0.0
    stepping: float = 0.0
    waiting: float = 0.0

    def waiting_share(self) -> float:
        """Return the share of the stepping time in which the network waited for crops."""
        return self.waiting / max(self.stepping, 1e-9)


@dataclass
class Progress:
    """How far a run is.

    `history` has the rows of its CSV file, `losses` those of the steps since the last one, and `best` is the highest
    mean gain so far, in dB.
    """

    step: int = 0
    clock: Clock = field(default_factory=Clock)
    history: list[list] = field(default_factory=list)
    losses: list[float | Tensor] = field(default_factory=list)  # tensors stay on the device until they are needed
    best: float = float("-inf")

    def mean_loss(self) -> float:
        """Return the mean of the losses, and forget them."""
        taken, self.losses = [float(loss) for loss in self.losses], []
        return sum(taken) / len(taken)


class Run:
    """A network in training on `device`, in bfloat16 if `half`, with its average, optimizers, rate and progress.

    `identity` says what else decides its weights, such as the pictures.
    """

    def __init__(
        self, model: nn.Module, settings: Settings, device: str, half: bool = False, identity: dict | None = None
    ) -> None:
        self.model, self.settings, self.device, self.half = model, settings, device, half
        self.identity = {"settings": asdict(settings)} | (identity or {})
        self.exits = parallel.share(for_training(model), device)
        self.average = Average(model, settings.ema)
        self.optimizers = OPTIMIZERS[settings.optimizer](model, settings.learning_rate)
        self.schedules = [LambdaLR(optimizer, lambda step: rate(step, settings)) for optimizer in self.optimizers]
        self.progress = Progress()
        self.learn: Callable[[Batch], Tensor] = self.gradients  # or what does the same, faster

    def gradients(self, batch: Batch) -> Tensor:
        """Compute the loss on (original, decoded, quality index) and its gradients; return the loss."""
        original, decoded, quality = batch
        with torch.autocast(original.device.type, torch.bfloat16, enabled=self.half):
            enhanced = self.exits(decoded.contiguous(memory_format=torch.channels_last))
        settings = self.settings
        error = losses.loss(enhanced, original, decoded, quality, settings.exit_weights, settings.loss)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        error.backward()
        return error.detach()

    def update(self, batch: Batch) -> Tensor:
        """Make one step on (original, decoded, quality index); return and note the loss before it."""
        error = self.learn(batch)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.step()
            schedule.step()
        self.average.update()
        self.progress.step += 1
        self.progress.losses.append(error)
        return error

    def save(self, path: Path) -> None:
        """Write the state of the run, whole or not at all."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        self.progress.losses = [float(loss) for loss in self.progress.losses]
        with files.replacing(path) as temporary:
            torch.save(parts | {"identity": self.identity, "progress": asdict(self.progress)}, temporary)

    def resume(self, path: Path) -> None:
        """Go on from a file that `save` wrote; raise ValueError if it is of a run with another identity."""
        try:
            if zipfile.ZipFile(path).testzip():  # checksums, which PyTorch does not look at
                raise ValueError("wrong checksum")
            state = torch.load(path, weights_only=True, map_location="cpu")
            same = state["identity"] == self.identity
        except OSError:
            raise
        except Exception as error:  # damaged files fail in ten ways
            raise ValueError(f"{path} is damaged: remove it, and the same command trains from the start") from error
        if not same:
            other = next(name for name, value in self.identity.items() if state["identity"].get(name) != value)
            was = state["identity"].get(other)
            raise ValueError(f"{path} is of a run with other {other}, {was}: use those, or remove it")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        progress = state["progress"]
        self.progress = Progress(**progress | {"clock": Clock(**progress["clock"])})

    def _parts(self) -> dict:
        parts: dict = {"model": self.model, "average": self.average}
        for number, (optimizer, schedule) in enumerate(zip(self.optimizers, self.schedules, strict=True)):
            parts |= {f"optimizer {number}": optimizer, f"schedule {number}": schedule}
        return parts


def for_training(model: nn.Module) -> nn.Module:
    """Return the form of a network that trains fastest, which shares its parameters: what `for_training()` returns."""
    return model.for_training() if isinstance(model, _Faster) else model


@runtime_checkable
class _Faster(Protocol):
    def for_training(self) -> nn.Module: ...


def rate(step: int, settings: Settings) -> float:
    """Return the learning rate's factor: a linear warm-up, then a cosine to a hundredth."""
    warm = min(1.0, (step + 1) / settings.warmup)
    fall = torch.cos(torch.tensor(torch.pi * min(step / settings.steps, 1.0)))
    return warm * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + float(fall)))


def has_fast_half(device: str) -> bool:
    """Return whether a device multiplies bfloat16 in hardware; without that it is slower than float32."""
    if gpu := devices.module(device):
        return gpu.is_bf16_supported(including_emulation=False)
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
