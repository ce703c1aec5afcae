# Training is apart from all else: `snakemake weights` alone asks for it. The declared output is the model card; weights,
# logs and checkpoints lie beside it undeclared, since Snakemake deletes outputs before a rerun and when a job fails.
# Methods and recipes are no inputs: an edit of a comment must not cost a day. A job that does run goes on with its
# checkpoint, and refuses one of other settings or pictures; to train anew, remove card and checkpoint.

from qebench.training import recipes

TRAINING = config["training"]
try:
    RECIPE = recipes.read(TRAINING["protocol"])
except ValueError as error:
    raise WorkflowError(f"config: training: {error}")
TRAINED = f"{TRAINING['folder']}/{RECIPE.name}"
STEMS = list(RECIPE.jobs())


rule weights:
    """The weights of a recipe for every method and compressor."""
    input:
        expand(f"{TRAINED}/{{stem}}.md", stem=STEMS),


rule train:
    """One entry of the recipe for one compressor; a job that was killed goes on where it was."""
    input:
        lambda wildcards: [f"{TRAINED}/{stem}.md" for stem in [RECIPE.jobs()[wildcards.stem].initial] if stem],
    output:
        f"{TRAINED}/{{stem}}.md",
    log:
        f"logs/train/{RECIPE.name}/{{stem}}.log",
    wildcard_constraints:
        stem="|".join(STEMS),
    priority: lambda wildcards: len(STEMS) - STEMS.index(wildcards.stem)  # in the order of the recipe
    conda:
        "../../environment.yml"
    threads: 1  # two such jobs side by side are faster than one after the other with two threads each
    resources:
        mem_mb=memory(8),
        runtime=hours(24),
        gpu=GPU,
    params:
        entry=lambda wildcards: RECIPE.jobs()[wildcards.stem].entry,
        compressor=lambda wildcards: RECIPE.jobs()[wildcards.stem].compressor,
        protocol=RECIPE.name,
        data=TRAINING["data"],
        validation=TRAINING["validation"],
        licence=f"--licence {shlex.quote(TRAINING['licence'])}" if TRAINING["licence"] else "",
        device=config["device"],
    shell:
        "python -m qebench train {params.entry} --protocol {params.protocol} --compressor {params.compressor}"
        " --data {params.data:q} --validation {params.validation:q} {params.licence} --device {params.device}"
        f" --threads {{threads}} --pairs {TRAINING['folder']}/pairs"
        f" -o {TRAINED}/{{wildcards.stem}}.safetensors > {{output}} 2> {{log}}"
