"""All networks of a recipe, trained on as many pixels each within a time, as on a GPU that is at hand for minutes.

First each network is timed for a few seconds. If the recipe's steps do not fit into the time, all networks get the same
smaller number. The plan is kept, so a later call goes on with the same trainings.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from torch import nn

from qebench.common import devices, files
from qebench.training import command, graphs, loop
from qebench.training.journal import say
from qebench.training.pairs import Pairs
from qebench.training.recipes import Job, Recipe
from qebench.training.run import Settings

PROBE = 2.0  # seconds of steps that a network is timed for
SHARE = 0.9  # of the time: the most that a plan takes by what was timed
RESERVE = 15.0  # seconds before the end in which the run under way is validated and written
Data = dict[str, tuple[Pairs, Pairs]]  # pairs to train and to validate on, by codec


@dataclass(frozen=True)
class Times:
    """Seconds that a network takes: to begin a run, for a step, to validate on crops, and on whole pictures."""

    begin: float
    step: float
    crops: float
    whole: float


def train_all(
    recipe: Recipe, data: Data, output: Path, device: str, end: float, labels: dict[str, str]
) -> dict[str, float | None]:
    """Train for each codec of `data` all networks of a recipe until `end` (of `time.monotonic`).

    The folder `output` gets weights, logs, checkpoints and the plan of each codec (`plan-jpeg.json`). Of a network
    whose time was too short it gets `.partial.safetensors`. Returns the million pixels that each network has seen by
    the stem of its weights, None for those that are to begin. A later call goes on.

    Raises ValueError if a codec starts from weights that are missing, if a plan is of another recipe, or if the time is
    too short for a step of each network.
    """
    jobs = {stem: job for stem, job in recipe.jobs().items() if job.compressor in data}
    for job in jobs.values():
        if job.initial and job.initial not in jobs and not _weights(output, job.initial).exists():
            raise ValueError(
                f"{_weights(output, job.initial)} is missing, from which recipe {recipe.name} starts for"
                f" {job.compressor}: put it there, or give the packs of that codec, too"
            )
    codecs = [codec for codec in recipe.compressors if codec in data]
    timed: dict[str, Times] = {}
    for number, codec in enumerate(codecs):
        ours = {stem: job for stem, job in jobs.items() if job.compressor == codec}
        if all(_weights(output, stem).exists() for stem in ours):
            continue
        pairs = loop.placed(data[codec][0], device), data[codec][1]
        share = (end - time.monotonic()) / (len(codecs) - number)
        steps = _planned(recipe, codec, pairs, output, device, share, timed)
        for stem, job in ours.items():
            _train(recipe, job, steps, pairs, _weights(output, stem), device, end - RESERVE, labels)
    return {stem: _seen(_weights(output, stem)) for stem in jobs}


def fitting(times: list[Times], tried: list[int], wanted: int, seconds: float) -> int:
    """Return the steps, up to those wanted, that networks can all make within some seconds; below 1 if none can.

    `tried` are the steps of each candidate of the search before a training.
    """
    fixed = sum(
        (len(tried) + 1) * each.begin + sum(tried) * each.step + (len(tried) + loop.HURRIED) * each.crops + each.whole
        for each in times
    )
    return min(wanted, math.floor((SHARE * seconds - fixed) / sum(each.step for each in times)))


def measure(
    build: Callable[[], nn.Module], pairs: Pairs, validation_pairs: Pairs, settings: Settings, device: str
) -> Times:
    """Return the seconds that a network takes on a device; what it learns meanwhile is forgotten."""
    began = time.monotonic()
    with loop.enough_memory(settings, device):
        run = loop.prepare(build(), pairs, validation_pairs, settings, device)
        run.learn = graphs.captured(run, loop.batch(run, pairs))
        run.update(loop.batch(run, pairs))
    devices.synchronize(device)
    ready, count = time.monotonic(), 0
    while not count or time.monotonic() - ready < PROBE:
        run.update(loop.batch(run, pairs))
        devices.synchronize(device)
        count += 1
    stepped = time.monotonic()
    loop.gains(run, validation_pairs)
    crops = time.monotonic() - stepped
    sizes = validation_pairs.sizes
    looked = sizes[: loop.VALIDATION_IMAGES].clamp(max=loop.VALIDATION_SIDE).prod(dim=1).sum()
    return Times(ready - began, (stepped - ready) / count, crops, crops * float(sizes.prod(dim=1).sum() / looked))


def _planned(
    recipe: Recipe,
    codec: str,
    data: tuple[Pairs, Pairs],
    output: Path,
    device: str,
    seconds: float,
    timed: dict[str, Times],
) -> int:
    """Return the steps of every network for a codec: of the plan that is kept, or by what networks take here."""
    path = output / f"plan-{codec}.json"
    asked = json.loads(json.dumps(asdict(recipe)))
    if path.exists():
        plan = json.loads(path.read_text())
        if plan["recipe"] != asked:
            raise ValueError(f"{path} is of another recipe: name another output folder, or remove this one")
        return plan["steps"]
    began = time.monotonic()
    for entry in recipe.methods:
        if entry not in timed:
            slowest = [recipe.settings_of(entry), *recipe.candidates(entry)][-1]  # Muon takes longer than Adam
            timed[entry] = measure(_build(recipe, entry), *data, slowest, device)
            say(f"{entry}: {1 / timed[entry].step:.1f} steps/s")
    settings = recipe.settings_of(next(iter(recipe.methods)))
    tried = [each.steps for each in recipe.candidates(next(iter(recipe.methods)))]
    times = [timed[entry] for entry in recipe.methods]
    steps = fitting(times, tried, settings.steps, seconds - (time.monotonic() - began) - RESERVE)
    if steps < 1:
        raise ValueError(f"{seconds:.0f} s are too short to train {len(times)} networks for {codec}: give more minutes")
    pixels = settings.batch * settings.patch**2 / 1e6
    fewer = "" if steps == settings.steps else f" instead of {settings.steps * pixels:,.0f}, so that all fit"
    say(f"{codec}: {steps * pixels:,.0f} million pixels for each of {len(times)} networks{fewer}")
    plan = {"recipe": asked, "steps": steps, "seconds": seconds, "times": {name: asdict(timed[name]) for name in timed}}
    with files.replacing(path) as temporary:
        temporary.write_text(json.dumps(plan, indent=1) + "\n")
    return steps


def _train(
    recipe: Recipe,
    job: Job,
    steps: int,
    data: tuple[Pairs, Pairs],
    output: Path,
    device: str,
    deadline: float,
    labels: dict[str, str],
) -> None:
    """Train one network, or go on with it, unless it is done, the time is over, or it starts from what is not done."""
    initial = _weights(output.parent, job.initial) if job.initial else None
    if output.exists() or time.monotonic() >= deadline or (initial and not initial.exists()):
        return
    whole = recipe.settings_of(job.entry)
    settings = recipe.settings_of(job.entry, steps=steps, warmup=max(1, whole.warmup * steps // whole.steps))
    labels = labels | {"protocol": recipe.name, "form": recipe.form_of(job.entry) or ""}
    how = (_build(recipe, job.entry), *data, settings, recipe.candidates(job.entry), output, device, initial, deadline)
    if command.trained(*how, labels, hurried=True) is not None:
        output.with_suffix(loop.PARTIAL).unlink(missing_ok=True)


def _build(recipe: Recipe, entry: str) -> Callable[[], nn.Module]:
    channels, seed = {"luma": 1, "rgb": 3}[recipe.colour], recipe.settings_of(entry).seed
    return partial(command.untrained, recipe.method_of(entry), channels, recipe.form_of(entry), seed)


def _weights(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.safetensors"


def _seen(weights: Path) -> float | None:
    """Return how many million pixels finished weights have seen, or those of the deadline."""
    from qebench.checkpoints import cards

    there = [path for path in (weights, weights.with_suffix(loop.PARTIAL)) if path.exists()]
    return cards.million_pixels(there[0]) if there else None
