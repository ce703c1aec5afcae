# The config is checked here, when it is read: a misspelt name would otherwise show as "Nothing to be done" over old tables.

import json
import shlex
import subprocess
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)  # our own modules, whatever is installed under the same names

from qebench import config as checked
from qebench import runs
from qebench.common import files, plugins
from qebench.datasets import shards

try:
    checked.choose(config, workflow.overwrite_configfiles)
    checked.check(config)
    for target in workflow.dag_settings.targets if workflow.dag_settings else ():
        runs.check_target(config["run"], str(target))
except (ValueError, OSError, ImportError, SyntaxError) as error:
    raise WorkflowError(f"config: {error}")

PYTHON = shlex.quote(str(Path(sys.executable).parent))
shell.prefix(f"export PATH={PYTHON}:$PATH; ")  # `python` is the one that runs Snakemake

DATASET = config["dataset"]
PARTS = shards.names(DATASET, config["shards"])
PROTOCOL = config["protocol"]
RUN = runs.folder(config["run"])
METHODS = checked.methods(config)
COMPRESSORS = checked.codecs(config)
DEVICE = checked.device(config)
GPU = checked.gpus(config)


pathvars:
    results=RUN.as_posix(),
    logs=runs.folder(config["run"], "logs").as_posix(),


wildcard_constraints:
    dataset="|".join(["demo", *config["folders"]]),
    part=f"({'|'.join(['demo', *config['folders']])})({shards.NAME})?",
    compressor="|".join(COMPRESSORS),
    method="|".join(METHODS),
    trained_on="|".join(["none", *config["compressors"]]),
    quality=r"\d+",


def pictures(wildcards):
    """Return the pictures of a data set."""
    return checked.pictures(config, wildcards.dataset)


def split_option(wildcards):
    """Return the command-line option for the split file of a data set, if it has one."""
    split = checked.split(config, wildcards.dataset)
    return f"--split {shlex.quote(str(split))}" if split else ""


def trained_on(wildcards):
    """Return the compressor that the weights are for, "" for a method without: paths say none, for they need a word."""
    return "" if wildcards.trained_on == "none" else wildcards.trained_on


def weights(wildcards):
    """Return the weights file of a method for the compressor it was trained on, as a list of none or one."""
    return checked.weights(config, wildcards.method, trained_on(wildcards))


def cost_weights(wildcards):
    """Return the weights that say which form of a network is run: the first that it runs with, if there are any."""
    runs = (checked.trained_on(config, wildcards.method, compressor) for compressor in COMPRESSORS)
    return checked.weights(config, wildcards.method, next((names[0] for names in runs if names), ""))


def native(method):
    """Return the compressors that a method enhances with weights of its own for them, or without any."""
    return [name for name in COMPRESSORS if {name, ""} & {*checked.trained_on(config, method, name)}]


def native_weights(wildcards):
    """Return the weights file of a method for a compressor, as a list of none or one."""
    return checked.weights(config, wildcards.method, wildcards.compressor)


def weights_option(files):
    """Return the command-line option for a weights file, given a list of none or one."""
    return f"--weights {shlex.quote(str(files))}" if files else ""


def settings_options(wildcards):
    """Return the command-line options for a compressor's settings."""
    settings = COMPRESSORS[wildcards.compressor].get("settings", {})
    return " ".join(shlex.quote(f"--set={name}={value}") for name, value in settings.items())


def source_options(wildcards):
    """Return the command-line options for coding pictures otherwise than they are prepared, none if not so."""
    coding = checked.coding_of(config, wildcards.compressor)
    if coding.is_plain:
        return ""
    folder = checked.source(config, shards.dataset(wildcards.part)) or "demo"
    crop = f"--crop {PROTOCOL['crop']}" if PROTOCOL["crop"] else ""
    return (
        f" --source {shlex.quote(str(folder))} --coded {coding.coded} --cropped {coding.cropped}"
        f" --colour {PROTOCOL['colour']} {crop} --scale {PROTOCOL['scale']}"
    )


def memory(gigabytes):
    """Return the resource of a job in MB, more at each retry; on one machine it limits nothing."""
    return lambda wildcards, attempt: 1000 * gigabytes * attempt


def hours(number):
    """Return the resource `runtime` of a job in minutes, more at each retry."""
    return lambda wildcards, attempt: 60 * number * attempt


def content(*paths):
    """Return the checksums of files, a param: Snakemake looks at no input that is older than what was made of it."""
    return [files.sha256(path) for path in paths]


def code(*modules):
    """Return the checksum of the code that a job runs, a param: these modules and all of ours that they import."""
    return plugins.content(*modules)


def exit_rules_code(name):
    """Return the modules of the exit rules if they are what a table or figure is about, for `code`."""
    return [f"benchmarks.exit_rules.{rule}" for rule in config["exit_rules"]] if name == "exit_rules" else []


def timed(wildcards):
    """Return the files of the times of every exit rule that the table `exit_rules` takes."""
    wanted = METHODS if wildcards.table == "exit_rules" else []
    return [f"<results>/latency/{compressor}/{method}.csv" for method in wanted for compressor in native(method)]


def contributed(wildcards):
    """Return the archives of others that the leaderboard takes."""
    return sorted(Path(config["contributed"]).glob("*.zip")) if wildcards.table == "leaderboard" else []


def kept(wildcards):
    """Return the archives of results that ship, which the leaderboard takes."""
    return sorted(Path("benchmarks/measured").glob("*.zip")) if wildcards.table == "leaderboard" else []


def kept_weights(wildcards):
    """Return the weights files that decide which of these results hold."""
    return sorted(Path("methods/weights").glob("*.safetensors")) if kept(wildcards) else []


def codec_data(wildcards):
    """Return the files other than code in the folder of a codec, as HM's configuration."""
    folder = Path("compressors", wildcards.compressor)
    return sorted(path for path in folder.glob("*") if path.is_file() and path.suffix != ".py")


onstart:
    # Before any job, as Snakemake removes the old output of a job when the job starts.
    named = {
        "=".join([method, path])
        for method in METHODS
        for compressor in COMPRESSORS
        for codec in checked.trained_on(config, method, compressor)
        for path in checked.weights(config, method, codec)
    }
    here = ["--device", DEVICE, "--precision", config["precision"]] if workflow.local_exec else []
    checking = subprocess.run(
        [sys.executable, "-m", "qebench", "step", "check", *here, *sorted(named)],
        cwd=workflow.basedir,
        capture_output=True,
        text=True,
    )
    if checking.returncode:
        raise WorkflowError(checking.stderr.strip())
    if any(job.rule.name == "prepare" for job in workflow.dag.jobs):  # weights and costs are of no pictures
        try:
            runs.claim(RUN, config)
        except (ValueError, OSError) as error:
            raise WorkflowError(str(error))
    for each in workflow.rules:
        each.message = "{rule} {wildcards}"  # all that the log of a run says of a job; a dry run says more
    if bars := workflow.logger_manager.get_log_handlers():
        from qebench import terminal

        terminal.add_time_left(bars)


onsuccess:
    if words := runs.closing(
        config["run"], map(str, workflow.dag_settings.targets), workflow.overwrite_configfiles
    ):
        print(f"\n{words}", flush=True)


onerror:
    # Snakemake forgets why a failed job had to run, and would next time take what was made of its old output for new.
    stale = []
    for level in workflow.dag.toposorted():
        for job in level:
            if not all(Path(file).exists() for file in job.input):
                made = [Path(file) for file in job.output if Path(file).is_relative_to(RUN)]  # never weights
                stale += files.set_aside(made, RUN)
    if stale:
        print(
            f"moved to {RUN}/.superseded/, as a job that they depend on failed: {', '.join(sorted(map(str, stale)))}",
            file=sys.stderr,
        )
