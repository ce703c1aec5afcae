rule evaluate:
    """One method with its weights for one compressor, on one data set and all qualities of a compressor."""
    input:
        code="methods/{method}.py",
        metrics=expand("benchmarks/metrics/{metric}.py", metric=config["metrics"]),
        weights=weights,
        manifest="results/originals/{dataset}.csv",
        decoded=lambda wildcards: [
            f"results/decoded/{wildcards.dataset}/{wildcards.compressor}/{quality}.csv"
            for quality in COMPRESSORS[wildcards.compressor]["qualities"]
        ],
    output:
        "results/measurements/{dataset}/{compressor}/{trained_on}/{method}.parquet",
    log:
        "logs/evaluate/{dataset}/{compressor}/{trained_on}/{method}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
    params:
        weights=lambda wildcards, input: weights_option(input.weights),
        trained_on=lambda wildcards: f"--trained-on {wildcards.trained_on}" if trained_on(wildcards) else "",
        metrics=" ".join(config["metrics"]),
        block_size=lambda wildcards: checked.iqam(config, wildcards.compressor, trained_on(wildcards))[
            "iqam_block_size"
        ],
        iqam=PROTOCOL["iqam"],
        device=config["device"],
        content=lambda wildcards: content(f"methods/{wildcards.method}.py", *weights(wildcards)),
    shell:
        "python -m benchmarks evaluate {wildcards.method} {params.weights} {params.trained_on}"
        " --originals {input.manifest} --decoded {input.decoded}"
        " --keys {wildcards.dataset} {wildcards.compressor} --metrics {params.metrics}"
        " --block-size {params.block_size} --iqam {params.iqam} --device {params.device} --threads {threads} -o {output} 2> {log}"


rule measurements:
    """All measurements of the run in one tidy table, from which every table and figure is made."""
    input:
        parts=[
            f"results/measurements/{DATASET}/{compressor}/{codec or 'none'}/{method}.parquet"
            for compressor in COMPRESSORS
            for method in METHODS
            for codec in checked.trained_on(config, method, compressor)
        ],
        # A method that fails leaves the old file of measurements in place; its source makes the next run fail, too.
        code=expand("methods/{method}.py", method=METHODS),
    output:
        "results/measurements.parquet",
    log:
        "logs/measurements.log",
    conda:
        "../../environment.yml"
    shell:
        "python -m benchmarks merge {input.parts} -o {output} 2> {log}"
