THRESHOLDS = " ".join(f"{name}={checked.iqam(config, name)['threshold']}" for name in config["compressors"])

PUBLISHED = sorted(Path("benchmarks/published").glob("*.csv"))


rule table:
    """One table as CSV, Markdown and LaTeX."""
    input:
        code="benchmarks/tables/{table}.py",
        methods=expand("methods/{method}.py", method=METHODS),
        published=PUBLISHED,
        measurements="results/measurements.parquet",
        complexity=expand("results/complexity/{method}.csv", method=METHODS),
        latency=expand("results/latency/{method}.csv", method=METHODS),
    output:
        csv=report("results/{table}.csv", caption="../report/table.rst", category="Tables"),
        md="results/{table}.md",
        tex="results/{table}.tex",
    log:
        "logs/{table}.log",
    wildcard_constraints:
        table="|".join(config["tables"]),
    conda:
        "../../environment.yml"
    params:
        thresholds=THRESHOLDS,
        methods=" ".join(METHODS),
        protocol=checked.describe(config),
    shell:
        "python -m benchmarks table {wildcards.table} --measurements {input.measurements}"
        " --complexity {input.complexity} --latency {input.latency} --thresholds {params.thresholds}"
        " --methods {params.methods} --protocol {params.protocol:q} -o {output.csv} 2> {log}"


rule figure:
    """One figure as PDF and PNG."""
    input:
        code="benchmarks/figures/{figure}.py",
        methods=expand("methods/{method}.py", method=METHODS),
        measurements="results/measurements.parquet",
        complexity=expand("results/complexity/{method}.csv", method=METHODS),
        latency=expand("results/latency/{method}.csv", method=METHODS),
    output:
        pdf="results/figures/{figure}.pdf",
        png=report("results/figures/{figure}.png", caption="../report/figure.rst", category="Figures"),
    log:
        "logs/figures/{figure}.log",
    wildcard_constraints:
        figure="|".join(config["figures"]) or "none",
    conda:
        "../../environment.yml"
    params:
        thresholds=THRESHOLDS,
        methods=" ".join(METHODS),
        protocol=checked.describe(config),
    shell:
        "python -m benchmarks figure {wildcards.figure} --measurements {input.measurements}"
        " --complexity {input.complexity} --latency {input.latency} --thresholds {params.thresholds}"
        " --methods {params.methods} --protocol {params.protocol:q} -o {output.pdf} 2> {log}"


rule reproduction:
    """Every published number against ours, with a verdict."""
    input:
        methods=expand("methods/{method}.py", method=METHODS),
        published=PUBLISHED,
        measurements="results/measurements.parquet",
        survey="results/complexity.csv",
        complexity=expand("results/complexity/{method}.csv", method=METHODS),
        latency=expand("results/latency/{method}.csv", method=METHODS),
        literature=sorted(Path("results/jpeg_literature").glob("*.csv")),
    output:
        csv=report("results/reproduction.csv", caption="../report/reproduction.rst", category="Tables"),
        md="results/reproduction.md",
    log:
        "logs/reproduction.log",
    conda:
        "../../environment.yml"
    params:
        thresholds=THRESHOLDS,
        methods=" ".join(METHODS),
        protocol=checked.describe(config),
        follows=f"--follows {checked.follows(config)}" if checked.follows(config) else "",
    shell:
        "python -m benchmarks reproduction --measurements {input.measurements} --survey {input.survey}"
        " --complexity {input.complexity} --latency {input.latency} --literature {input.literature}"
        " --thresholds {params.thresholds} --methods {params.methods} --protocol {params.protocol:q} {params.follows}"
        " -o {output.csv} 2> {log}"


rule complexity_figure:
    """The figure of costs alone: of all networks in methods/, not of those configured; it needs no picture."""
    input:
        code="benchmarks/figures/{figure}.py",
        complexity="results/complexity.csv",
    output:
        pdf="results/figures/{figure}.pdf",
        png=report("results/figures/{figure}.png", caption="../report/figure.rst", category="Figures"),
    log:
        "logs/figures/{figure}.log",
    wildcard_constraints:
        figure="complexity",
    conda:
        "../../environment.yml"
    shell:
        "python -m benchmarks figure {wildcards.figure} --complexity {input.complexity} -o {output.pdf} 2> {log}"


ruleorder: complexity_figure > figure
