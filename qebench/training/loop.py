"""Train any method on pairs of one compressor, blind over its qualities.

Batch k depends on the seed and k alone and every checkpoint is complete, so a run that is killed goes on as if nothing
had happened: on a CPU it ends with the same weights bit for bit. A budget of time therefore only stops a run, which the
same command goes on with; it does not scale the schedule, or weights would depend on how busy the machine was.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qebench.checkpoints import reading
from qebench.common import devices, files, provenance
from qebench.networks import loading
from qebench.training import graphs, journal, losses, luma_start, parallel, validation
from qebench.training.journal import Journal
from qebench.training.pairs import Pairs
from qebench.training.run import Run, Settings, has_fast_half
from qebench.training.start_values import is_residual, start

VALIDATIONS = 20  # in the course of a run, evenly spaced
HURRIED = 4  # of them in a hurried run
VALIDATION_IMAGES = 8  # of these the centre; the record at the end is of all, whole
VALIDATION_SIDE = 256  # pixels
CHECKPOINT_EVERY = 30  # seconds
FIRST_CHECK = (60, 50)  # seconds and steps after which a network should gain
SMALLEST_HALF = 64  # pixels a side of crops
PAIRS = 0.5  # of a GPU's free memory: the most that pairs may take there
PARTIAL = ".partial.safetensors"  # how the names of weights end that a hurried run has at its deadline
AGREE_EVERY = 10  # steps between which several processes do not ask each other whether to stop


def train(
    model: nn.Module,
    pairs: Pairs,
    validation_pairs: Pairs,
    settings: Settings,
    output: Path,
    device: str,
    initial: Path | None = None,
    deadline: float = math.inf,
    labels: dict[str, Any] | None = None,
    hurried: bool = False,
) -> dict | None:
    """Train `model` and write its averaged weights to `output` (safetensors), with logs and checkpoints beside it.

    It starts from the weights `initial`, which may be those of its luma form, or without them from `start`. Beside
    `output` are its validation gains on some images as it goes (`.csv`, and `.events` for TensorBoard), the weights
    that gained most there (`.best.safetensors`), and the state from which a later call with the same settings goes on
    (`.checkpoint`). Returns the record of the run, which is in the weights file, too: settings, data, commit, device,
    seconds, the gains (dB per quality and exit) on all validation images, and `labels`. At `deadline` (of
    `time.monotonic`) it saves its state and returns None; in all processes but the first it always returns None.

    A `hurried` run replays its gradients as a graph where the GPU can (`graphs`), validates seldom, and writes the
    weights that it has at the deadline (`.partial.safetensors`).

    Raises ValueError if the checkpoint is that of another run, or a multi-exit network is to learn, with unequal exits,
    other than the five qualities that EXIT_WEIGHTS are for, or a network that trains a part of its weights was given no
    others by `initial`; FloatingPointError if the loss is no number any more.
    """
    checkpoint, labels = output.with_name(output.name + ".checkpoint"), labels or {}
    with enough_memory(settings, device):
        pairs = placed(pairs, device)
        run = prepare(model, pairs, validation_pairs, settings, device, initial)
        if checkpoint.exists():
            run.resume(checkpoint)
        if hurried:
            run.learn = graphs.captured(run, batch(run, pairs))
        _go(run, pairs, validation_pairs, output, deadline, labels, HURRIED if hurried else VALIDATIONS)
        if parallel.rank() > 0:
            return None
        if run.progress.step < settings.steps:
            if hurried:
                record = _record(run, labels, gains(run, validation_pairs))
                write(run.average.module.state_dict(), record, output.with_suffix(PARTIAL))
            return None
        record = _record(run, labels, validation.gains(run.average.module, validation_pairs, device))
        write(run.average.module.state_dict(), record, output)
        return record


def prepare(
    model: nn.Module,
    pairs: Pairs,
    validation_pairs: Pairs,
    settings: Settings,
    device: str,
    initial: Path | None = None,
) -> Run:
    """Return a run of `train` before its first step, given pairs that are `placed`; errors as there."""
    several = getattr(model, "exit_count", 1) > 1 and settings.exit_weights != losses.EQUAL
    if several and len(pairs.qualities) != (rows := len(losses.EXIT_WEIGHTS[settings.exit_weights])):
        raise ValueError(f"exit weights are those of {rows} qualities, not of {len(pairs.qualities)}: make exits equal")
    torch.manual_seed(settings.seed)
    model = model.to(device).train()
    loading.channels_last(model)
    decoded = pairs.batch(settings.batch, settings.patch, settings.seed)[1].to(device)
    if initial is None and not all(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"{type(model).__name__} trains a part of its weights: name a file of the others by --initial")
    if initial is None:
        start(model, decoded)
    else:
        reading.load_into(model, initial, luma_start.from_luma)
    known = identity(pairs, validation_pairs, initial)
    return Run(model, settings, device, in_half(model, decoded, settings, device), known)


def identity(pairs: Pairs, validation_pairs: Pairs, initial: Path | None) -> dict:
    """Return what decides the weights of a run besides its settings and the network, as its record has it."""
    return {
        "initial": {"file": initial.name, "sha256": files.sha256(initial)} if initial else None,
        "training_images": pairs.description,
        "validation_images": validation_pairs.description,
    }


@contextmanager
def enough_memory(settings: Settings, device: str) -> Iterator[None]:
    """Turn torch.OutOfMemoryError into ValueError, which says what to change."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise ValueError(
            f"{provenance.device_name(device)} has too little memory left for {settings.batch} crops of "
            f"{settings.patch} pixels: take a smaller --batch or --patch (and remove the checkpoint, which is of "
            "other settings), or end what else runs on it"
        ) from None


def placed(pairs: Pairs, device: str) -> Pairs:
    """Return the pairs on a device if they take no more than PAIRS of its free memory, else as they are.

    Crops are the same in both cases; of the latter each batch is moved by itself.
    """
    fits = device == "cpu" or pairs.pixels.nbytes <= PAIRS * devices.free_bytes(device)
    return pairs.to(device) if fits else pairs


def write(weights: dict[str, Tensor], record: dict, output: Path) -> None:
    """Write weights with the record of their training to a safetensors file."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    with files.replacing(output) as temporary:
        save_file(tensors, temporary, metadata={"training": json.dumps(record)})


def in_half(model: nn.Module, decoded: Tensor, settings: Settings, device: str) -> bool:
    """Return whether to train in bfloat16, given a batch: where it is fast and does no harm."""
    # In torch 2.13 its CPU gradient of a 3x3 transposed convolution of a single pixel is what was in memory before,
    # as in PowerQE's RBQE with crops of 32. And networks that make the whole image learn to undo its rounding of
    # brightness: AR-CNN lost 0.5 dB in 8 steps.
    return settings.half and settings.patch >= SMALLEST_HALF and has_fast_half(device) and is_residual(model, decoded)


def _go(
    run: Run, pairs: Pairs, validation_pairs: Pairs, output: Path, deadline: float, labels: dict, validations: int
) -> None:
    """Make the steps that are left, or those until the deadline; validate, log and save on the way."""
    from tqdm import tqdm

    settings, progress, clock = run.settings, run.progress, run.progress.clock
    first = parallel.rank() == 0
    validating = {settings.steps * (number + 1) // validations for number in range(validations)}
    checked = clock.total >= FIRST_CHECK[0]
    log, checkpoint = Journal(output, progress) if first else None, output.with_name(output.name + ".checkpoint")
    with tqdm(total=settings.steps, initial=progress.step, unit="step", disable=None if first else True) as bar:
        for _ in steps(run, pairs, checkpoint, deadline):
            bar.update()
            if first and not checked and clock.total >= FIRST_CHECK[0] and progress.step >= FIRST_CHECK[1]:
                journal.warn(clock, progress.step, gains(run, validation_pairs), float(progress.losses[-1]))
                checked = True
            if log and progress.step in validating:
                _validate(run, validation_pairs, output, log, labels)
    if log:
        log.close()


def steps(run: Run, pairs: Pairs, checkpoint: Path, deadline: float = math.inf) -> Iterator[None]:
    """Make the steps that a run has left, or those until the deadline, and stop for the caller after each.

    The state is saved to `checkpoint` on the way, after what the caller does with a step, and at the end.
    """
    progress, first = run.progress, parallel.rank() == 0
    began, saved = time.monotonic() - progress.clock.total, time.monotonic()
    while progress.step < run.settings.steps:
        _step(run, pairs)
        progress.clock.total = time.monotonic() - began
        yield
        if first and time.monotonic() - saved >= CHECKPOINT_EVERY:
            run.save(checkpoint)
            saved = time.monotonic()
        asked = progress.step % AGREE_EVERY == 0 or parallel.count() == 1
        if asked and parallel.agreed(time.monotonic() >= deadline, run.device):
            break
    progress.clock.total = time.monotonic() - began
    if first:
        run.save(checkpoint)


def _step(run: Run, pairs: Pairs) -> None:
    """Make the next step, and take its time."""
    clock = run.progress.clock
    began = time.monotonic()
    crops = batch(run, pairs)
    clock.waiting += time.monotonic() - began
    run.update(crops)
    clock.stepping += time.monotonic() - began


def batch(run: Run, pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    """Return this process's share of the crops of a run's next step, on its device."""
    settings = run.settings
    share = slice(parallel.rank(), None, parallel.count())
    crops = pairs.batch(settings.batch, settings.patch, settings.seed * 1_000_003 + run.progress.step, share)
    original, decoded, quality = (tensor.to(run.device) for tensor in crops)
    return original, decoded, quality


def _validate(run: Run, pairs: Pairs, output: Path, log: Journal, labels: dict) -> None:
    """Note gains and loss, and keep the weights if they gain more than any before."""
    error = run.progress.mean_loss()
    if not math.isfinite(error):
        raise FloatingPointError(
            f"the loss is {error} after {run.progress.step} steps: take a lower --learning-rate than"
            f" {run.settings.learning_rate:g} (and remove {output.name}.checkpoint)"
        )
    table = gains(run, pairs)
    log.write(run, error, table)
    if (gain := validation.mean(table)) > run.progress.best:
        run.progress.best = gain
        best = output.with_name(f"{output.stem}.best.safetensors")
        write(run.average.module.state_dict(), _record(run, labels, table), best)


def gains(run: Run, pairs: Pairs) -> validation.Gains:
    return validation.gains(run.average.module, pairs, run.device, VALIDATION_IMAGES, VALIDATION_SIDE)


def _record(run: Run, labels: dict, gains: validation.Gains) -> dict:
    """Return what is known of a run, for its weights file."""
    clock, step = run.progress.clock, run.progress.step
    processes = f"{parallel.count()} processes of " if parallel.count() > 1 else ""
    return {
        "method": type(run.model).__name__,
        "parameters": sum(parameter.numel() for parameter in run.model.parameters()),
        **run.identity,
        **labels,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "device": f"{provenance.device_name(run.device)}, {processes}{torch.get_num_threads()} threads",
        "precision": "bfloat16" if run.half else "float32",
        "step": step,
        "seconds": round(clock.total),
        "patches_per_second": round(step * run.settings.batch / clock.stepping, 1),
        "waiting_share": round(clock.waiting_share(), 4),
        "delta_psnr": gains,
    }
