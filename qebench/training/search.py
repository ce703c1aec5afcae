"""The search for a rate and an optimizer before a training: short runs, judged by their gains on validation pictures.

All candidates start from the same values, see the same crops in the same order, and make as many steps. Each gain is
that of the averaged weights on the crops that a training is validated on as it goes.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from torch import nn

from qebench.common import files
from qebench.networks import outputs
from qebench.training import graphs, journal, loop, parallel, validation
from qebench.training.pairs import Pairs
from qebench.training.run import Run, Settings

TRIED = ("optimizer", "learning_rate")  # the settings in which candidates differ


def choose(
    build: Callable[[], nn.Module],
    pairs: Pairs,
    validation_pairs: Pairs,
    candidates: list[Settings],
    output: Path,
    device: str,
    initial: Path | None = None,
    deadline: float = math.inf,
    hurried: bool = False,
) -> dict | None:
    """Return what was tried for the weights `output`, with the mean gain of each (dB), and which was chosen.

    The result has `steps`, `candidates` (optimizer, learning_rate, and gain: None if the run diverged) and `chosen`.
    `build` makes the untrained network anew. Gains are kept beside `output` (`.search`) with a checkpoint of the run
    under way, so a search that is killed, or comes to its deadline and returns None, goes on at the next call.
    `initial` and `hurried` are those of `loop.train`.

    Raises ValueError if the kept gains are of another search, or if every candidate diverges.
    """
    path = output.with_name(output.name + ".search")
    pairs = loop.placed(pairs, device)
    identity = loop.identity(pairs, validation_pairs, initial) | {"candidates": [asdict(each) for each in candidates]}
    gains = _kept(path, identity)
    for number, settings in enumerate(candidates):
        checkpoint = output.with_name(f"{output.name}.search-{number + 1}.checkpoint")
        if number >= len(gains):
            with loop.enough_memory(settings, device):
                run = loop.prepare(build(), pairs, validation_pairs, settings, device, initial)
                if checkpoint.exists():
                    run.resume(checkpoint)
                if hurried:
                    run.learn = graphs.captured(run, loop.batch(run, pairs))
                for _ in loop.steps(run, pairs, checkpoint, deadline):
                    pass
                if run.progress.step < settings.steps:
                    return None
                gains.append(_gain(run, validation_pairs))
            told = "diverged" if gains[-1] is None else f"{gains[-1]:+.3f} dB"
            name = f"{settings.optimizer} {settings.learning_rate:g}"
            journal.say(f"search {number + 1} of {len(candidates)}: {name} {told}")
            if parallel.rank() == 0:
                with files.replacing(path) as temporary:
                    temporary.write_text(json.dumps({"identity": identity, "gains": gains}, indent=1) + "\n")
        if parallel.rank() == 0:
            checkpoint.unlink(missing_ok=True)
    return _result(candidates, gains, device)


def _kept(path: Path, identity: dict) -> list[float | None]:
    """Return the gains that were kept, none without a file; raise ValueError if they are of another search."""
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text())
        same, gains = content["identity"] == json.loads(json.dumps(identity)), list(content["gains"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged: remove it, and the same command searches anew") from error
    if not same:
        raise ValueError(f"{path} is of a search with other settings, pictures or weights: use those, or remove it")
    return gains


def _gain(run: Run, validation_pairs: Pairs) -> float | None:
    try:
        gain = validation.mean(loop.gains(run, validation_pairs))
    except outputs.WrongOutput:  # it is not finite
        return None
    return round(gain, 4) if math.isfinite(gain) else None


def _row(settings: Settings, gain: float | None) -> dict:
    return {name: getattr(settings, name) for name in TRIED} | {"gain": gain}


def _result(candidates: list[Settings], gains: list[float | None], device: str) -> dict:
    best, chosen = -math.inf, None
    for settings, gain in zip(candidates, gains, strict=True):
        if gain is not None and parallel.agreed(gain > best, device):
            best, chosen = gain, {name: getattr(settings, name) for name in TRIED}
    if chosen is None:
        raise ValueError("every run of the search diverges: give it lower learning_rates")
    rows = [_row(settings, gain) for settings, gain in zip(candidates, gains, strict=True)]
    return {"steps": candidates[0].steps, "candidates": rows, "chosen": chosen}
