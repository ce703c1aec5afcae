"""Benchmark the quality enhancement of compressed images, and enhance your own.

qebench enhance photo.jpg -o enhanced.png
"""

import argparse
import difflib
import importlib
import sys

from qebench.commands import PEOPLE, STEPS

GROUPS = {"step": "what the workflow runs", "study": "single questions, in benchmarks/studies/"}


def main(arguments: list[str] | None = None) -> None:
    """Run one command, `sys.argv` by default; without one, print what there is."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if not words or words[0] in ("-h", "--help"):
        print(overview())
    elif words[0] == "step":
        _run(words[1:], STEPS, "qebench step")
    elif words[0] == "study":
        _study(words[1:])
    else:
        _run(words, PEOPLE, "qebench")


def overview() -> str:
    """Return the commands there are, people's first."""
    verbs = {verb: summary for verb, (_, summary) in PEOPLE.items()} | {f"{name} ...": GROUPS[name] for name in GROUPS}
    return f"{__doc__}\n{_listed(verbs)}\n\n`qebench VERB --help` says more of each."


def _run(words: list[str], table: dict[str, tuple[str, str]], program: str) -> None:
    if not words or words[0] in ("-h", "--help"):
        print(_listed({verb: summary for verb, (_, summary) in table.items()}))
        return
    verb = _known(words[0], list(table), program)
    module, summary = table[verb]
    commands = importlib.import_module(f"qebench.commands.{module}")
    name = verb.replace("-", "_")
    _call(getattr(commands, f"add_{name}"), getattr(commands, f"run_{name}"), words[1:], f"{program} {verb}", summary)


def _study(words: list[str]) -> None:
    from qebench.common import plugins

    folder = "benchmarks/studies"
    if not words or words[0] in ("-h", "--help"):
        print(_listed({name.replace("_", "-"): plugins.summary(folder, name) for name in plugins.names(folder)}))
        return
    verb = _known(words[0], [name.replace("_", "-") for name in plugins.names(folder)], "qebench study")
    study = plugins.find(folder, verb.replace("-", "_"))
    _call(study.add_arguments, study.run, words[1:], f"qebench study {verb}", study.__doc__)


def _call(add, run, words: list[str], program: str, summary: str | None) -> None:
    parser = argparse.ArgumentParser(
        prog=program, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add(parser)
    options = parser.parse_args(words)
    try:
        run(options)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")


def _known(verb: str, verbs: list[str], program: str) -> str:
    """Return a verb that there is; end with what it may have meant otherwise."""
    if verb not in verbs:
        guesses = difflib.get_close_matches(verb, verbs, 1)
        advice = f"did you mean {guesses[0]!r}?" if guesses else f"it has {', '.join(verbs)}"
        print(f"error: {program} has no {verb!r}: {advice}", file=sys.stderr)
        raise SystemExit(2)
    return verb


def _listed(summaries: dict[str, str]) -> str:
    width = max(map(len, summaries))
    return "\n".join(f"    {verb:{width}}  {summary}" for verb, summary in summaries.items())


def run() -> None:
    """Run the command of `sys.argv`, with the memory settings that networks need."""
    if len(sys.argv) > 1 and sys.argv[1] not in ("-h", "--help"):
        from qebench.common import memory

        memory.settle()
    main()


if __name__ == "__main__":
    run()
