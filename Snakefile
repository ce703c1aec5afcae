# QEBench: originals -> compressed -> measured -> tables and figures.
# The rules are in workflow/rules/; each runs one `python -m qebench step ...`.


configfile: "workflow/config/default.yaml"


conda: "environment.yml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/compress.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/cost.smk"
include: "workflow/rules/publish.smk"
include: "workflow/rules/train.smk"


rule all:
    default_target: True
    input:
        expand("<results>/{table}.csv", table=config["tables"]),
        expand("<results>/figures/{figure}.pdf", figure=config["figures"]),
        "<results>/reproduction.csv",
