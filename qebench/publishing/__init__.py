"""Finished results: the report, the scoreboard, archives, checks and comparisons."""
