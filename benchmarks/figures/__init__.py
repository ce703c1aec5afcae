"""Figures: one module per figure, with `draw(results) -> matplotlib Figure`.

A figure is a pure function of `qebench.evaluation.results.Results`. `style.write` saves it as PDF for papers and PNG
for screens.
"""
