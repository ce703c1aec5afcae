"""The commands of `python -m benchmarks`, by topic: each module's `add` lists its own, `_name` runs the command `name`.

What a command runs is imported only then, so that `--help` and mistakes are answered at once.
"""
