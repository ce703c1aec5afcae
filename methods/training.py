"""Train any method on pairs of one compressor, blind over its qualities.

The loss is the mean squared error of the paper, weighted per exit and quality as in the paper, and divided by the
squared error of the decoded crop: raw errors differ by a factor of ten between qualities, so that the worst quality
would drown the best. PyTorch's default start values do not train these networks, so `start` sets them from data.
Batch k depends on the seed and k alone and every checkpoint is complete, so a run that is killed goes on as if nothing
had happened.
"""

import copy
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import files, provenance
from methods import checkpoints, network
from methods.pairs import Pairs

# RBQE, ECCV 2020, section 3.5: rows are qualities from best to worst, columns exits 1..5.
EXIT_WEIGHTS = [
    [2, 1, 1, 0.5, 0.5],
    [1, 2, 1, 0.5, 0.5],
    [0.5, 1, 2, 1, 0.5],
    [0.5, 0.5, 1, 2, 1],
    [0.5, 0.5, 1, 1, 2],
]
ERROR_FLOOR = (0.5 / 255) ** 2  # added to the decoded crop's squared error: flat crops have almost none
VALIDATE_EVERY = 600  # steps
VALIDATION_IMAGES = 4  # while training; the record at the end is of all
CHECKPOINT_EVERY = 100  # steps
HEAD_SCALE = 1e-3  # heads start near zero, so training starts at the decoded image


@dataclass
class Settings:
    """What decides the weights, besides the pairs and the network."""

    steps: int = 20_000
    batch: int = 16
    patch: int = 64
    learning_rate: float = 1e-3
    warmup: int = 200
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    equal_exits: bool = False  # weigh all exits alike at every quality, instead of by EXIT_WEIGHTS


def train(
    model: nn.Module,
    pairs: Pairs,
    validation: Pairs,
    settings: Settings,
    output: Path,
    device: str,
    initial: Path | None = None,
) -> dict:
    """Train `model` and write its averaged weights to `output` (safetensors), with a log and checkpoints beside it.

    It starts from the weights `initial`, or without them from `start`. `<output>.csv` gets the validation gains on some
    images as it goes, and `<output>.checkpoint` the state from which a later call with the same settings goes on.
    Returns the record of the run that is also written into the weights file: settings, data, commit, device, seconds,
    and the gains (dB per quality and exit) on all validation images.

    Raises ValueError if the checkpoint is that of another run, or a multi-exit network is to learn other than the five
    qualities that EXIT_WEIGHTS are for.
    """
    from safetensors.torch import save_file
    from tqdm import tqdm

    if getattr(model, "exit_count", 1) > 1 and len(pairs.qualities) != len(EXIT_WEIGHTS):
        raise ValueError(f"exit weights are those of {len(EXIT_WEIGHTS)} qualities, not of {len(pairs.qualities)}")
    torch.manual_seed(settings.seed)
    checkpoint, log = (output.with_name(output.name + ending) for ending in (".checkpoint", ".csv"))
    pairs, model = pairs.to(device), model.to(device, memory_format=torch.channels_last).train()
    if initial is None:
        start(model, pairs.batch(settings.batch, settings.patch, settings.seed)[1])
    else:
        checkpoints.load_into(model, initial)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.ema)
    )
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, settings))
    identity = {
        "settings": asdict(settings),
        "initial": {"file": initial.name, "sha256": files.sha256(initial)} if initial else None,
        "training_images": pairs.description,
        "validation_images": validation.description,
    }
    parts = {"model": model, "average": average, "optimizer": optimizer, "schedule": schedule}
    done, seconds = _resume(checkpoint, parts, identity)

    began = time.monotonic() - seconds
    with tqdm(total=settings.steps, initial=done, unit="step", disable=None) as bar:
        for step in range(done, settings.steps):
            batch = pairs.batch(settings.batch, settings.patch, settings.seed * 1_000_003 + step)
            error = update(model, batch, optimizer, settings.clip, settings.equal_exits)
            schedule.step()
            average.update_parameters(model)
            bar.update()
            if (step + 1) % VALIDATE_EVERY == 0:
                table = gains(average.module, validation, VALIDATION_IMAGES, device)
                _log(log, step + 1, time.monotonic() - began, float(error), table)
            if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == settings.steps:
                _save(checkpoint, parts, identity, step + 1, time.monotonic() - began)

    seconds = time.monotonic() - began
    record = {
        "method": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **identity,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "device": f"{provenance.device_name(device)}, {torch.get_num_threads()} threads",
        "seconds": round(seconds),
        "patches_per_second": round(settings.steps * settings.batch / seconds, 1),
        "delta_psnr": gains(average.module, validation, len(validation.sizes), device),
    }
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in average.module.state_dict().items()}
    with files.replacing(output) as temporary:
        save_file(weights, temporary, metadata={"training": json.dumps(record)})
    return record


def update(
    model: nn.Module,
    batch: tuple[Tensor, Tensor, Tensor],
    optimizer: torch.optim.Optimizer,
    clip: float,
    equal_exits: bool = False,
) -> Tensor:
    """Make one optimizer step on (original, decoded, quality index) and return the loss."""
    original, decoded, quality = batch
    with torch.autocast(original.device.type, torch.bfloat16):
        enhanced = list(network.exits(model, decoded.contiguous(memory_format=torch.channels_last)))
    error = loss(enhanced, original, decoded, quality, equal_exits)
    optimizer.zero_grad()
    error.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return error.detach()


def loss(
    enhanced: list[Tensor], original: Tensor, decoded: Tensor, quality: Tensor, equal_exits: bool = False
) -> Tensor:
    """Return the mean over crops of the exit-weighted squared error relative to the decoded crop's.

    All images are float (N, C, H, W) in [0, 1]; `quality` (N,) counts qualities from the best. 1 means no gain.
    """
    errors = torch.stack([(image.float() - original).square().mean(dim=(1, 2, 3)) for image in enhanced], dim=1)
    before = (decoded - original).square().mean(dim=(1, 2, 3)) + ERROR_FLOOR
    if len(enhanced) == len(EXIT_WEIGHTS[0]) and not equal_exits:
        weights = torch.tensor(EXIT_WEIGHTS, device=errors.device)[quality]
    else:
        weights = torch.ones_like(errors)
    return ((errors * weights).sum(1) / weights.sum(1) / before).mean()


def rate(step: int, settings: Settings) -> float:
    """Return the learning rate's factor: a linear warm-up, then a cosine to a hundredth."""
    warm = min(1.0, (step + 1) / settings.warmup)
    fall = torch.cos(torch.tensor(torch.pi * min(step / settings.steps, 1.0)))
    return warm * (0.01 + 0.99 * 0.5 * (1 + float(fall)))


@torch.no_grad()
def start(model: nn.Module, x: Tensor) -> None:
    """Set start values from data: unit variance after every convolution (LSUV), zero biases, damped heads.

    Mishkin and Matas, "All you need is a good init", ICLR 2016. `x` is a batch of decoded images. A head is the last
    convolution before an exit. The first filters start without their mean: else brightness, a hundred times stronger
    than artifacts, is all that later layers see (DCAD had gained 0.00 dB after 1,800 steps, and gains 0.6 after 100).
    """
    called: list[nn.Module] = []

    def normalise(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        if layer in called:
            return output
        if not called:
            filters = layer.weight - layer.weight.mean(dim=(1, 2, 3), keepdim=True)
            layer.weight.copy_(filters)
            output = layer._conv_forward(inputs[0], filters, layer.bias)
        called.append(layer)
        spread = output.std() + 1e-8
        layer.weight.div_(spread)
        return output / spread

    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    for layer in layers:
        if layer.bias is not None:
            layer.bias.zero_()
    hooks = [layer.register_forward_hook(normalise) for layer in layers]
    for _ in network.exits(model, x):
        called[-1].weight.mul_(HEAD_SCALE)
    for hook in hooks:
        hook.remove()


def gains(model: nn.Module, validation: Pairs, count: int, device: str) -> dict[str, list[float]]:
    """Return per quality the mean PSNR gain in dB (unrounded output) over `count` images, one number per exit."""
    model = copy.deepcopy(model).eval()
    table = {}
    for layer, quality in enumerate(validation.qualities, start=1):
        rows = []
        for number in range(min(count, len(validation.sizes))):
            original, decoded = (validation.image(number, place).to(device) for place in (0, layer))
            enhanced = network.enhance(model, decoded)
            before = _psnr(decoded, original)
            rows.append([_psnr(image, original) - before for image in enhanced])
        table[str(quality)] = [round(sum(column) / len(column), 4) for column in zip(*rows, strict=True)]
    return table


def _psnr(image: Tensor, original: Tensor) -> float:
    return float(-10 * (image.float().clamp(0, 1) - original).square().mean().log10())


def _log(path: Path, step: int, seconds: float, error: float, table: dict[str, list[float]]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", "loss", "quality", "exit", "delta_psnr"])
        for quality, row in table.items():
            writer.writerows([step, round(seconds), round(error, 5), quality, exit, gain] for exit, gain in _count(row))


def _count(row: list[float]) -> Iterator[tuple[int, float]]:
    return enumerate(row, start=1)


def _save(path: Path, parts: dict, identity: dict, step: int, seconds: float) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    with files.replacing(path) as temporary:
        torch.save(state | {"identity": identity, "step": step, "seconds": seconds}, temporary)


def _resume(path: Path, parts: dict, identity: dict) -> tuple[int, float]:
    """Load a checkpoint into `parts`; return the steps and seconds it stands for, (0, 0.0) if there is none."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["identity"] != identity:
        other = next(name for name in identity if state["identity"][name] != identity[name])
        raise ValueError(f"{path} is of a run with other {other}, {state['identity'][other]}: use those, or remove it")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"], state["seconds"]
