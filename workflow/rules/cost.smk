CHANNELS = {"luma": 1, "rgb": 3}[PROTOCOL["colour"]]


rule complexity:
    """Parameters and multiply-accumulates of a method, per exit, at 512x512."""
    input:
        weights=cost_weights,
    output:
        "<results>/complexity/{method}.csv",
    log:
        "<logs>/complexity/{method}.log",
    conda:
        "../../environment.yml"
    params:
        channels=CHANNELS,
        weights=lambda wildcards, input: weights_option(input.weights),
        content=lambda wildcards: content(*cost_weights(wildcards)),
        code=lambda wildcards: code(f"methods.{wildcards.method}", "qebench.cost.complexity"),
    shell:
        "python -m qebench step complexity {wildcards.method} {params.weights} --channels {params.channels} -o {output} 2> {log}"


rule survey:
    """The same for every network in methods/ in all its forms, whether configured or not."""
    input:
        published="benchmarks/published/eccv2020.csv",
    output:
        csv="<results>/complexity.csv",
        md="<results>/complexity.md",
        tex="<results>/complexity.tex",
        provenance="<results>/complexity.provenance.json",
    log:
        "<logs>/survey.log",
    conda:
        "../../environment.yml"
    params:
        code=code(*(f"methods.{method}" for method in plugins.names("methods")), "qebench.cost.complexity"),
    shell:
        "python -m qebench step survey -o {output.csv} 2> {log}"


rule latency:
    """Milliseconds of a method, per exit, at 512x512; no other job runs meanwhile."""
    input:
        weights=cost_weights,
    output:
        "<results>/latency/{method}.csv",
    log:
        "<logs>/latency/{method}.log",
    conda:
        "../../environment.yml"
    threads: 1024  # cut to all cores
    resources:
        mem_mb=memory(4),
        runtime=hours(2),
        gpu=GPU,
    params:
        channels=CHANNELS,
        weights=lambda wildcards, input: weights_option(input.weights),
        content=lambda wildcards: content(*cost_weights(wildcards)),
        code=lambda wildcards: code(f"methods.{wildcards.method}", "qebench.cost.latency"),
        device=DEVICE,
        precision=config["precision"],
    shell:
        "python -m qebench step latency {wildcards.method} {params.weights} --channels {params.channels} --device {params.device} --precision {params.precision}"
        " --threads {threads} -o {output} 2> {log}"


rule exit_latency:
    """Milliseconds of the decoded pictures of each quality, with early exit and without; no other job runs meanwhile.

    Of a data set in shards, the first is timed.
    """
    input:
        weights=native_weights,
        decoded=lambda wildcards: [
            f"<results>/decoded/{PARTS[0]}/{wildcards.compressor}/{quality}.csv"
            for quality in COMPRESSORS[wildcards.compressor]["qualities"]
        ],
    output:
        "<results>/latency/{compressor}/{method}.csv",
    log:
        "<logs>/latency/{compressor}/{method}.log",
    conda:
        "../../environment.yml"
    threads: 1024  # cut to all cores
    resources:
        mem_mb=memory(4),
        runtime=hours(2),
        gpu=GPU,
    params:
        weights=lambda wildcards, input: weights_option(input.weights),
        block_size=lambda wildcards: checked.iqam(config, wildcards.compressor)["iqam_block_size"],
        threshold=lambda wildcards: checked.threshold(config, wildcards.compressor),
        iqam=PROTOCOL["iqam"],
        rules=" ".join(config["exit_rules"]),
        content=lambda wildcards: content(
            *native_weights(wildcards),
            *Path("benchmarks/exit_rules/settings").glob(f"{wildcards.method}-{wildcards.compressor}.json"),
        ),
        code=lambda wildcards: code(
            f"methods.{wildcards.method}", *exit_rules_code("exit_rules"), "qebench.cost.exit_latency"
        ),
        device=DEVICE,
        precision=config["precision"],
    shell:
        "python -m qebench step exit-latency {wildcards.method} {params.weights} --compressor {wildcards.compressor}"
        " --decoded {input.decoded} --block-size {params.block_size} --iqam {params.iqam} --threshold {params.threshold}"
        " --rules {params.rules}"
        " --device {params.device} --precision {params.precision} --threads {threads} -o {output} 2> {log}"


rule latency_table:
    """All latencies: those of this machine, and beside them those kept from others."""
    input:
        exits=expand("<results>/latency/{method}.csv", method=METHODS),
        pictures=[f"<results>/latency/{compressor}/{method}.csv" for method in METHODS for compressor in native(method)],
        measured=sorted(Path("benchmarks/measured").glob("*.csv")),
    output:
        csv="<results>/latency.csv",
        md="<results>/latency.md",
        tex="<results>/latency.tex",
    log:
        "<logs>/latency.log",
    conda:
        "../../environment.yml"
    params:
        code=code("qebench.cost.measured"),
    shell:
        "python -m qebench step latency-table {input.exits} {input.pictures} --measured {input.measured}"
        " -o {output.csv} 2> {log}"


rule latency_grid:
    """Milliseconds over batches, sizes and precisions, eager and compiled, which takes long; no other job meanwhile."""
    input:
        weights=cost_weights,
    output:
        "<results>/latency_grid/{method}.csv",
    log:
        "<logs>/latency_grid/{method}.log",
    conda:
        "../../environment.yml"
    threads: 1024  # cut to all cores
    resources:
        mem_mb=memory(8),
        runtime=hours(4),
        gpu=GPU,
    params:
        channels=CHANNELS,
        weights=lambda wildcards, input: weights_option(input.weights),
        content=lambda wildcards: content(*cost_weights(wildcards)),
        code=lambda wildcards: code(f"methods.{wildcards.method}", "qebench.cost.latency_grid"),
        device=DEVICE,
    shell:
        "python -m qebench step latency-grid {wildcards.method} {params.weights} --channels {params.channels}"
        " --device {params.device} --threads {threads} -o {output} 2> {log}"


rule latency_grid_table:
    """The grids of all methods but `decoded`, which computes nothing."""
    input:
        expand("<results>/latency_grid/{method}.csv", method=[name for name in METHODS if name != "decoded"]),
    output:
        csv="<results>/latency_grid.csv",
        md="<results>/latency_grid.md",
        tex="<results>/latency_grid.tex",
    log:
        "<logs>/latency_grid.log",
    conda:
        "../../environment.yml"
    params:
        code=code("qebench.cost.measured"),
    shell:
        "python -m qebench step latency-table {input} -o {output.csv} 2> {log}"
