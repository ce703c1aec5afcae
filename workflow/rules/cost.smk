CHANNELS = {"luma": 1, "rgb": 3}[PROTOCOL["colour"]]


rule complexity:
    """Parameters and multiply-accumulates of a method, per exit, at 512x512."""
    input:
        "methods/{method}.py",
    output:
        "results/complexity/{method}.csv",
    log:
        "logs/complexity/{method}.log",
    conda:
        "../../environment.yml"
    params:
        channels=CHANNELS,
        content=lambda wildcards: content(f"methods/{wildcards.method}.py"),
    shell:
        "python -m benchmarks complexity {wildcards.method} --channels {params.channels} -o {output} 2> {log}"


rule latency:
    """Milliseconds of a method, per exit, at 512x512; no other job runs meanwhile."""
    input:
        "methods/{method}.py",
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
        content=lambda wildcards: content(f"methods/{wildcards.method}.py"),
        device=config["device"],
    shell:
        "python -m benchmarks latency {wildcards.method} --channels {params.channels} --device {params.device}"
        " --threads {threads} -o {output} 2> {log}"
