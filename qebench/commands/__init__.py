"""The commands: for each verb `add_VERB(parser)`, which adds its arguments, and `run_VERB(options)`, which does it.

The modules are imported when one of their verbs is called, so that the overview and the help are there at once.
"""

# verb: the module that has it, and what it does
PEOPLE = {
    "enhance": ("pictures", "enhance your own pictures"),
    "score": ("scoring", "compare two pictures, or two folders, by every convention"),
    "encode": ("coding", "code one picture by one of the codecs"),
    "decode": ("coding", "decode one bitstream to a PNG file"),
    "methods": ("methods", "list the methods: forms, parameters, exits, weights, sources"),
    "compressors": ("coding", "list the codecs: qualities, versions, settings"),
    "train": ("training", "train a method, blind over the qualities of one codec"),
    "curves": ("training", "draw the validation gains of training runs"),
    "pack": ("training", "compress pictures into one small file, to train with elsewhere"),
    "export": ("methods", "copy weights to ship: in less room if harmless, with card and curves"),
    "import": ("methods", "convert official weights to safetensors, with a card"),
    "card": ("methods", "print the history that a weights file carries"),
    "dataset": ("data", "describe a known data set, check a folder of it, or get it"),
    "reproduce": ("publishing", "measure all that the pictures at hand allow, and print the scoreboard"),
    "verify": ("results", "check that results still hold: checksums, and a sample measured again"),
    "compare": ("results", "show what changed between two folders of results"),
    "archive": ("results", "pack tables, figures and measurements into one file (RO-Crate)"),
}
# what the rules of the workflow run
STEPS = {
    "prepare": ("data", "make the originals of a protocol"),
    "check": ("measuring", "check a device and that weights load, before any job"),
    "shard": ("data", "write the manifest of a part of a data set"),
    "compress": ("coding", "code a prepared data set at one quality"),
    "evaluate": ("measuring", "measure one method on one codec"),
    "merge": ("measuring", "join files of measurements"),
    "examples": ("measuring", "enhance a few pictures again, to look at"),
    "complexity": ("costs", "count parameters and GMACs of one method, per exit"),
    "survey": ("costs", "count those of every form of every network"),
    "latency": ("costs", "time one method per exit, at 512x512"),
    "exit-latency": ("costs", "time decoded pictures, with early exit and without"),
    "latency-grid": ("costs", "time batches, sizes, precisions, eager and compiled"),
    "latency-table": ("costs", "join files of latency to one table"),
    "latency-keep": ("costs", "keep what was timed here in benchmarks/measured/"),
    "results-keep": ("publishing", "keep results of a data set in benchmarks/measured/"),
    "table": ("publishing", "make one table of benchmarks/tables/"),
    "figure": ("publishing", "draw one figure of benchmarks/figures/"),
    "reproduction": ("publishing", "put every published number against ours"),
    "report": ("publishing", "make the page of tables, plots, pictures and provenance"),
    "strips": ("publishing", "draw the examples of one codec side by side"),
}
