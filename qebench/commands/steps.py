"""python -m benchmarks complexity rbqe -o rbqe.csv

The measuring steps of the workflow, each also by hand.
"""

import argparse
import sys

from qebench.commands import costs, data, measuring, publishing, results, studies
from qebench.common import memory


def main(arguments: list[str] | None = None) -> None:
    """Run one step; see `python -m benchmarks --help`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    for topic in (data, measuring, costs, studies, publishing, results):
        topic.add(steps)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    memory.settle()
    main()
