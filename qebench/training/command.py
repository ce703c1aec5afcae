"""The command that trains: from names and folders to a network, pairs and settings, and from these to weights."""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from qebench.checkpoints import cards
from qebench.coding import interface
from qebench.common import plugins
from qebench.networks import loading
from qebench.training import loop, pair_files, pair_sources, parallel, recipes, search
from qebench.training.pairs import Pairs
from qebench.training.run import Settings

UNFINISHED = 75  # the exit status of a run whose budget ended first: EX_TEMPFAIL of sysexits.h, "try again"


def run(options: argparse.Namespace) -> None:
    """Train as the options of `qebench train` say and print the card of the weights.

    Ends with status UNFINISHED if the budget was too short.
    """
    deadline = time.monotonic() + 60 * options.budget if options.budget else math.inf
    if options.output.suffix != ".safetensors":
        raise ValueError(f"{options.output}: weights are written as .safetensors, so the name must end so")
    recipe = recipes.read(options.protocol)
    changes = {field.name: getattr(options, field.name) for field in fields(Settings)}
    settings = recipe.settings_of(options.method, **changes)
    form = options.form or recipe.form_of(options.method)
    threads = options.threads or max(1, (os.cpu_count() or 1) // parallel.local_count())
    colour = options.colour or recipe.colour
    channels = {"luma": 1, "rgb": 3}[colour]
    build = partial(untrained, recipe.method_of(options.method), channels, form, settings.seed)
    build()  # what is wrong with the names is said before any work
    initial = options.initial or _initial(recipe, options)
    with parallel.joined(loading.choose_device(options.device, threads)) as device:
        training_pairs = _pairs(options, recipe, options.data, colour, threads, options.varied or recipe.varied)
        validation_pairs = _pairs(options, recipe, options.validation, colour, threads, False)
        labels: dict[str, Any] = {"protocol": recipe.name, "form": form or "", "licence": options.licence or ""}
        given = options.learning_rate or options.optimizer
        candidates = [] if given else recipe.candidates(options.method, **changes)
        where = (options.output, device, initial, deadline)
        record = trained(build, training_pairs, validation_pairs, settings, candidates, *where, labels=labels)
        first = parallel.rank() == 0
    if record is not None:
        print(cards.card(options.output))
    elif first:
        print(f"the budget of {options.budget:g} minutes is spent: run the same command again", file=sys.stderr)
        sys.exit(UNFINISHED)


def trained(
    build: Callable[[], nn.Module],
    pairs: Pairs,
    validation_pairs: Pairs,
    settings: Settings,
    candidates: list[Settings],
    output: Path,
    device: str,
    initial: Path | None,
    deadline: float,
    labels: dict[str, Any],
    hurried: bool = False,
) -> dict | None:
    """Search among the candidates, if there are any, and train as `loop.train` does with the one that gained most."""
    if candidates:
        found = search.choose(build, pairs, validation_pairs, candidates, output, device, initial, deadline, hurried)
        if found is None:
            return None
        settings, labels = replace(settings, **found["chosen"]), labels | {"search": found}
    return loop.train(build(), pairs, validation_pairs, settings, output, device, initial, deadline, labels, hurried)


def _initial(recipe: recipes.Recipe, options: argparse.Namespace) -> Path | None:
    """Return the weights beside the output that a recipe starts from; raise ValueError if they are missing."""
    stem = recipe.initial_of(options.method, options.compressor)
    if stem is None:
        return None
    path = options.output.with_name(f"{stem}.safetensors")
    if not path.exists():
        raise ValueError(
            f"{path} is missing, from which recipe {recipe.name} starts for {options.compressor}: train it first, or "
            "name other weights with --initial"
        )
    return path


def untrained(method: str, channels: int, form: str | None = None, seed: int = 0) -> nn.Module:
    """Return a method's network for images of `channels` channels, in one of its forms or the first that fits.

    Raises ValueError if it has no such form, or nothing to train.
    """
    import torch

    module = plugins.find("methods", method)
    forms = getattr(module, "FORMS", {})
    torch.manual_seed(seed)
    if form and form not in forms:
        raise ValueError(f"{method} has no form {form!r}: it has {', '.join(forms) or 'one only'}")
    fitting = [name for name in ([form] if form else forms) if channels in forms[name].channels]
    if fitting:
        return forms[fitting[0]].build(channels)
    model = module.load(None, "cpu")
    if not list(model.parameters()):
        raise ValueError(f"{method} has no weights: there is nothing to train")
    if forms or getattr(model, "channels", 1) != channels:
        colour = {1: "luma", 3: "rgb"}[channels]
        raise ValueError(f"{method} is not for {colour} images{f' in form {form}' if form else ''}: choose the other")
    return model


def qualities(options: argparse.Namespace) -> list[int]:
    """Return the qualities to train for, from best to worst: those asked for, or the paper's five."""
    module = plugins.find("compressors", options.compressor)
    chosen = [options.quality] if options.quality is not None else options.qualities
    if chosen is None and module.QUALITY not in pair_sources.QUALITIES:
        raise ValueError(f"{options.compressor} has no usual qualities: add --qualities, from best to worst")
    chosen = chosen or pair_sources.QUALITIES[module.QUALITY]
    for quality in chosen:
        interface.check_quality(module, quality)
    return chosen


def _pairs(
    options: argparse.Namespace, recipe: recipes.Recipe, folders: list[Path], colour: str, workers: int, varied: bool
) -> Pairs:
    """Return the pairs of folders, compressed now or, if their pictures are the same, at an earlier call."""
    wanted = pair_sources.Recipe(
        folders, options.compressor, qualities(options), colour, varied, recipe.scale, options.coded or recipe.coded
    )
    return pair_files.cached(wanted, workers, options.pairs)
