rule evaluate:
    """One method on one data set, compressor and quality: all metrics of all exits."""
    input:
        code="methods/{method}.py",
        metrics=expand("benchmarks/metrics/{metric}.py", metric=config["metrics"]),
        weights=weights,
        manifest="results/originals/{dataset}.csv",
        decoded="results/decoded/{dataset}/{compressor}/{quality}.csv",
    output:
        "results/measurements/{dataset}/{compressor}/{quality}/{method}.parquet",
    log:
        "logs/evaluate/{dataset}/{compressor}/{quality}/{method}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        gpu=GPU,
    params:
        weights=lambda wildcards, input: weights_option(input.weights),
        metrics=" ".join(config["metrics"]),
        block_size=lambda wildcards: COMPRESSORS[wildcards.compressor]["iqam_block_size"],
        iqam=PROTOCOL["iqam"],
        device=config["device"],
        content=lambda wildcards: content(f"methods/{wildcards.method}.py", *weights(wildcards)),
    shell:
        "python -m benchmarks evaluate {wildcards.method} {params.weights}"
        " --originals {input.manifest} --decoded {input.decoded}"
        " --keys {wildcards.dataset} {wildcards.compressor} {wildcards.quality} --metrics {params.metrics}"
        " --block-size {params.block_size} --iqam {params.iqam} --device {params.device} --threads {threads} -o {output} 2> {log}"


rule measurements:
    """All measurements of the run in one tidy table, from which every table and figure is made."""
    input:
        parts=[
            f"results/measurements/{DATASET}/{compressor}/{quality}/{method}.parquet"
            for compressor in COMPRESSORS
            for quality in COMPRESSORS[compressor]["qualities"]
            for method in METHODS
            if checked.is_for(config, method, compressor)
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
