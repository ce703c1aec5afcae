"""Tables: one module per table, with `tabulate(results) -> DataFrame` and `note(results) -> str`.

A table is a pure function of `qebench.evaluation.results.Results`. `typesetting.write` prints it as CSV for programs,
Markdown and LaTeX for people. A module may have three more functions for the versions for people:

- `places(frame) -> DataFrame`: the best cells (1) are bold, the second (2) underlined;
- `marked(results) -> DataFrame`: cells where it is true get a dagger;
- `parts(frame) -> list[list[str]]`: the table is cut into one of each list of columns.
"""
