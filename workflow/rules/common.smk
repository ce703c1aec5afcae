# The config is checked here, when it is read: a misspelt name would otherwise show as "Nothing to be done" over old tables.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)  # our own modules, whatever is installed under the same names

from benchmarks import config as checked

try:
    checked.check(config)
except ValueError as error:
    raise WorkflowError(f"config: {error}")

shell.prefix(f"export PATH={Path(sys.executable).parent}:$PATH; ")  # `python` is the one that runs Snakemake

DATASET = config["dataset"]
PROTOCOL = config["protocol"]
METHODS = checked.methods(config)
COMPRESSORS = config["compressors"]
GPU = checked.gpus(config)


wildcard_constraints:
    dataset=r"[A-Za-z0-9_-]+",
    compressor="|".join(COMPRESSORS),
    method="|".join(METHODS),
    quality=r"\d+",


def weights(wildcards):
    """Return the weights file of a method for a compressor, as a list of none or one."""
    return checked.weights(config, wildcards.method, wildcards.compressor)
