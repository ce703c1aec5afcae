"""Single questions outside the workflow, one module each: `add_arguments(parser)` and `run(options)`."""
