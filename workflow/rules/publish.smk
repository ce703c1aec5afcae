MEASURED = json.dumps(checked.measured(config))  # with braces: params take it from a function
THRESHOLDS = " ".join(f"{name}={checked.threshold(config, name)}" for name in config["compressors"])

STYLE = "qebench/common/qebench.mplstyle"
TEMPLATE = sorted(str(path) for path in Path("qebench/publishing/report").glob("*.*") if path.suffix != ".py")
PUBLISHED = sorted(Path("benchmarks/published").glob("*.csv"))

# The compressors that a method enhances with weights of its own for them, or without any: there are pictures to show.
ENHANCED = [name for name in COMPRESSORS if any(name in native(method) for method in METHODS if method != "decoded")]


rule table:
    """One table as CSV, Markdown and LaTeX."""
    input:
        published=PUBLISHED,
        measurements="<results>/measurements.parquet",
        complexity=expand("<results>/complexity/{method}.csv", method=METHODS),
        latency=expand("<results>/latency/{method}.csv", method=METHODS),
        timed=timed,
        contributed=contributed,
        kept=kept,
    output:
        csv=report("<results>/{table}.csv", caption="../report/table.rst", category="Tables"),
        md="<results>/{table}.md",
        tex="<results>/{table}.tex",
        provenance="<results>/{table}.provenance.json",
    log:
        "<logs>/{table}.log",
    wildcard_constraints:
        table="|".join(config["tables"]),
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(4),
        runtime=hours(1),
    params:
        code=lambda wildcards: code(
            f"benchmarks.tables.{wildcards.table}",
            *exit_rules_code(wildcards.table),
            *(["qebench.publishing.kept"] if wildcards.table == "leaderboard" else []),
            "qebench.common.typesetting",
            MEASUREMENTS,
        ),
        content=lambda wildcards: content(*kept_weights(wildcards)),
        thresholds=THRESHOLDS,
        exit_rules=" ".join(config["exit_rules"]),
        methods=" ".join(METHODS),
        protocol=checked.describe(config),
        config=lambda wildcards: MEASURED,
    shell:
        "python -m qebench step table {wildcards.table} --measurements {input.measurements}"
        " --complexity {input.complexity} --latency {input.latency} --thresholds {params.thresholds}"
        " --exit-rules {params.exit_rules} --timed {input.timed} --contributed {input.contributed}"
        " --kept {input.kept}"
        " --methods {params.methods} --protocol {params.protocol:q} --config {params.config:q}"
        " -o {output.csv} 2> {log}"


rule figure:
    """One figure as PDF and PNG."""
    input:
        style=STYLE,
        measurements="<results>/measurements.parquet",
        complexity=expand("<results>/complexity/{method}.csv", method=METHODS),
        latency=expand("<results>/latency/{method}.csv", method=METHODS),
    output:
        pdf="<results>/figures/{figure}.pdf",
        png=report("<results>/figures/{figure}.png", caption="../report/figure.rst", category="Figures"),
        provenance="<results>/figures/{figure}.provenance.json",
    log:
        "<logs>/figures/{figure}.log",
    wildcard_constraints:
        figure="|".join(config["figures"]) or "none",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(4),
        runtime=hours(1),
    params:
        code=lambda wildcards: code(
            f"benchmarks.figures.{wildcards.figure}",
            *exit_rules_code(wildcards.figure),
            "qebench.common.style",
            MEASUREMENTS,
        ),
        thresholds=THRESHOLDS,
        exit_rules=" ".join(config["exit_rules"]),
        methods=" ".join(METHODS),
        protocol=checked.describe(config),
        fonts=config["fonts"],
        config=lambda wildcards: MEASURED,
    shell:
        "python -m qebench step figure {wildcards.figure} --fonts {params.fonts} --measurements {input.measurements}"
        " --complexity {input.complexity} --latency {input.latency} --thresholds {params.thresholds}"
        " --exit-rules {params.exit_rules}"
        " --methods {params.methods} --protocol {params.protocol:q} --config {params.config:q}"
        " -o {output.pdf} 2> {log}"


rule reproduction:
    """Every published number against ours, with a verdict."""
    input:
        published=PUBLISHED,
        measurements="<results>/measurements.parquet",
        survey="<results>/complexity.csv",
        complexity=expand("<results>/complexity/{method}.csv", method=METHODS),
        latency=expand("<results>/latency/{method}.csv", method=METHODS),
        literature=sorted(Path("results/jpeg_literature").glob("*.csv")),
    output:
        csv=report("<results>/reproduction.csv", caption="../report/reproduction.rst", category="Tables"),
        md="<results>/reproduction.md",
        trends="<results>/trends.csv",
        provenance="<results>/reproduction.provenance.json",
    log:
        "<logs>/reproduction.log",
    conda:
        "../../environment.yml"
    params:
        code=code("qebench.publishing.ours", "qebench.publishing.reproduction"),
        thresholds=THRESHOLDS,
        methods=" ".join(METHODS),
        protocol=checked.describe(config),
        follows=f"--follows {checked.follows(config)}" if checked.follows(config) else "",
        config=lambda wildcards: MEASURED,
    shell:
        "python -m qebench step reproduction --measurements {input.measurements} --survey {input.survey}"
        " --complexity {input.complexity} --latency {input.latency} --literature {input.literature}"
        " --thresholds {params.thresholds} --methods {params.methods} --protocol {params.protocol:q} {params.follows}"
        " --config {params.config:q}"
        " -o {output.csv} 2> {log}"


rule complexity_figure:
    """The figure of costs alone: of all networks in methods/, not of those configured; it needs no picture."""
    input:
        style=STYLE,
        complexity="<results>/complexity.csv",
    output:
        pdf="<results>/figures/{figure}.pdf",
        png=report("<results>/figures/{figure}.png", caption="../report/figure.rst", category="Figures"),
        provenance="<results>/figures/{figure}.provenance.json",
    log:
        "<logs>/figures/{figure}.log",
    wildcard_constraints:
        figure="complexity",
    conda:
        "../../environment.yml"
    params:
        code=code("benchmarks.figures.complexity", "qebench.common.style"),
        fonts=config["fonts"],
    shell:
        "python -m qebench step figure {wildcards.figure} --fonts {params.fonts} --complexity {input.complexity}"
        " -o {output.pdf} 2> {log}"


ruleorder: complexity_figure > figure


rule examples:
    """A few images of one compressor, chosen by rule and enhanced again, with what was measured of them.

    Of a data set in shards, they are chosen from the first.
    """
    input:
        measurements="<results>/measurements.parquet",
        weights=lambda wildcards: [
            path for method in METHODS for path in checked.weights(config, method, wildcards.compressor)
        ],
        originals="<results>/originals/{part}.csv",
        decoded=lambda wildcards: [
            f"<results>/decoded/{wildcards.part}/{wildcards.compressor}/{quality}.csv"
            for quality in COMPRESSORS[wildcards.compressor]["qualities"]
        ],
    output:
        csv="<results>/examples/{part}/{compressor}.csv",
        images=directory("<results>/examples/{part}/{compressor}"),
    log:
        "<logs>/examples/{part}/{compressor}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(4),
        runtime=hours(1),
        gpu=GPU,
    params:
        code=code("qebench.evaluation.examples", *(f"methods.{method}" for method in METHODS)),
        methods=lambda wildcards: " ".join(
            shlex.quote("=".join([method, *checked.weights(config, method, wildcards.compressor)]))
            for method in METHODS
            if wildcards.compressor in native(method)
        ),
        dataset=lambda wildcards: shards.dataset(wildcards.part),
        thresholds=THRESHOLDS,
        device=DEVICE,
        precision=config["precision"],
    shell:
        "python -m qebench step examples --measurements {input.measurements} --originals {input.originals}"
        " --decoded {input.decoded} --keys {params.dataset} {wildcards.compressor} --methods {params.methods}"
        " --thresholds {params.thresholds} --device {params.device} --precision {params.precision} --threads {threads} -o {output.csv} 2> {log}"


rule strips:
    """The examples of one compressor side by side, with maps of errors and of the IQAM, as PDF and PNG."""
    input:
        style=STYLE,
        measurements="<results>/measurements.parquet",
        examples="<results>/examples/{part}/{compressor}.csv",
    output:
        pdf="<results>/figures/qualitative/{part}-{compressor}.pdf",
        png=report(
            "<results>/figures/qualitative/{part}-{compressor}.png",
            caption="../report/figure.rst",
            category="Figures",
        ),
        provenance="<results>/figures/qualitative/{part}-{compressor}.provenance.json",
    log:
        "<logs>/figures/qualitative/{part}-{compressor}.log",
    conda:
        "../../environment.yml"
    params:
        code=code("qebench.publishing.qualitative", "qebench.common.style"),
        block_size=lambda wildcards: checked.iqam(config, wildcards.compressor)["iqam_block_size"],
        iqam=PROTOCOL["iqam"],
        fonts=config["fonts"],
        config=lambda wildcards: MEASURED,
    shell:
        "python -m qebench step strips {input.examples} --measurements {input.measurements} --config {params.config:q}"
        " --block-size {params.block_size} --iqam {params.iqam} --fonts {params.fonts} -o {output.pdf} 2> {log}"


rule page:
    """Our report: tables, plots, images and provenance on one page."""
    input:
        template=TEMPLATE,
        measurements="<results>/measurements.parquet",
        tables=expand("<results>/{table}.csv", table=[*config["tables"], "reproduction"]),
        figures=expand("<results>/figures/{figure}.png", figure=config["figures"]),
        examples=expand("<results>/examples/{part}/{compressor}.csv", part=PARTS[0], compressor=ENHANCED),
        strips=expand("<results>/figures/qualitative/{part}-{compressor}.png", part=PARTS[0], compressor=ENHANCED),
    output:
        html="<results>/report.html",
        provenance="<results>/report.provenance.json",
    log:
        "<logs>/report.log",
    conda:
        "../../environment.yml"
    params:
        code=code("qebench.publishing.report", MEASUREMENTS),
        thresholds=THRESHOLDS,
        methods=" ".join(METHODS),
        protocol=checked.describe(config),
        config=lambda wildcards: yaml.safe_dump({**config}, sort_keys=False),  # a string with braces has wildcards
    shell:
        "python -m qebench step report --measurements {input.measurements} --tables {input.tables}"
        " --figures {input.figures} --examples {input.examples} --thresholds {params.thresholds}"
        " --methods {params.methods} --protocol {params.protocol:q} --config {params.config:q} -o {output.html} 2> {log}"
