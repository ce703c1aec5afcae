CHANNELS = {"luma": 1, "rgb": 3}[PROTOCOL["colour"]]


rule complexity:
    """Parameters and multiply-accumulates of a method, per exit, at 512x512."""
    input:
        code="methods/{method}.py",
        weights=cost_weights,
    output:
        "results/complexity/{method}.csv",
    log:
        "logs/complexity/{method}.log",
    conda:
        "../../environment.yml"
    params:
        channels=CHANNELS,
        weights=lambda wildcards, input: weights_option(input.weights),
        content=lambda wildcards: content(f"methods/{wildcards.method}.py", *cost_weights(wildcards)),
    shell:
        "python -m benchmarks complexity {wildcards.method} {params.weights} --channels {params.channels} -o {output} 2> {log}"


rule survey:
    """The same for every network in methods/ in all its forms, whether configured or not."""
    input:
        methods=expand("methods/{method}.py", method=checked.plugins.names("methods")),
        published="benchmarks/published/eccv2020.csv",
    output:
        csv="results/complexity.csv",
        md="results/complexity.md",
        tex="results/complexity.tex",
    log:
        "logs/survey.log",
    conda:
        "../../environment.yml"
    params:
        content=lambda wildcards, input: content(*input.methods),
    shell:
        "python -m benchmarks survey -o {output.csv} 2> {log}"


rule latency:
    """Milliseconds of a method, per exit, at 512x512; no other job runs meanwhile."""
    input:
        code="methods/{method}.py",
        weights=cost_weights,
    output:
        "results/latency/{method}.csv",
    log:
        "logs/latency/{method}.log",
    conda:
        "../../environment.yml"
    threads: 1024  # cut to all cores
    resources:
        gpu=GPU,
    params:
        channels=CHANNELS,
        weights=lambda wildcards, input: weights_option(input.weights),
        content=lambda wildcards: content(f"methods/{wildcards.method}.py", *cost_weights(wildcards)),
        device=config["device"],
    shell:
        "python -m benchmarks latency {wildcards.method} {params.weights} --channels {params.channels} --device {params.device}"
        " --threads {threads} -o {output} 2> {log}"
