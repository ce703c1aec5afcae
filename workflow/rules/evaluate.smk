MEASUREMENTS = "qebench.evaluation.measurements"
METRICS = [f"benchmarks.metrics.{metric}" for metric in config["metrics"]]


rule evaluate:
    """One method with its weights for one compressor, on a data set, or a part of one, and all qualities of a compressor."""
    input:
        weights=weights,
        manifest="<results>/originals/{part}.csv",
        decoded=lambda wildcards: [
            f"<results>/decoded/{wildcards.part}/{wildcards.compressor}/{quality}.csv"
            for quality in COMPRESSORS[wildcards.compressor]["qualities"]
        ],
    output:
        "<results>/measurements/{part}/{compressor}/{trained_on}/{method}.parquet",
    log:
        "<logs>/evaluate/{part}/{compressor}/{trained_on}/{method}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(4),
        runtime=hours(4),
        gpu=GPU,
    params:
        dataset=lambda wildcards: shards.dataset(wildcards.part),
        weights=lambda wildcards, input: weights_option(input.weights),
        trained_on=lambda wildcards: f"--trained-on {wildcards.trained_on}" if trained_on(wildcards) else "",
        metrics=" ".join(config["metrics"]),
        block_size=lambda wildcards: checked.iqam(config, wildcards.compressor, trained_on(wildcards))[
            "iqam_block_size"
        ],
        iqam=PROTOCOL["iqam"],
        device=DEVICE,
        precision=config["precision"],
        content=lambda wildcards: content(*weights(wildcards)),
        code=lambda wildcards: code(
            f"methods.{wildcards.method}", *METRICS, "qebench.evaluation.evaluate", MEASUREMENTS
        ),
    shell:
        "python -m qebench step evaluate {wildcards.method} {params.weights} {params.trained_on}"
        " --originals {input.manifest} --decoded {input.decoded}"
        " --keys {params.dataset} {wildcards.compressor} --metrics {params.metrics}"
        " --block-size {params.block_size} --iqam {params.iqam} --device {params.device} --precision {params.precision} --threads {threads} -o {output} 2> {log}"


if len(PARTS) > 1:

    rule join:
        """The measurements of the parts of the data set as those of the whole: a command names no more files than parts."""
        input:
            parts=expand("<results>/measurements/{part}/{{compressor}}/{{trained_on}}/{{method}}.parquet", part=PARTS),
            whole="<results>/originals/{dataset}.csv",
        output:
            "<results>/measurements/{dataset}/{compressor}/{trained_on}/{method}.parquet",
        log:
            "<logs>/join/{dataset}/{compressor}/{trained_on}/{method}.log",
        wildcard_constraints:
            dataset=DATASET,
        conda:
            "../../environment.yml"
        resources:
            mem_mb=memory(4),
            runtime=hours(1),
        params:
            code=code(MEASUREMENTS),
        shell:
            "python -m qebench step merge {input.parts} --whole {input.whole} -o {output} 2> {log}"

    ruleorder: join > evaluate


rule measurements:
    """All measurements of the run in one tidy table, from which every table and figure is made."""
    input:
        parts=[
            f"<results>/measurements/{DATASET}/{compressor}/{codec or 'none'}/{method}.parquet"
            for compressor in COMPRESSORS
            for method in METHODS
            for codec in checked.trained_on(config, method, compressor)
        ],
    output:
        "<results>/measurements.parquet",
    log:
        "<logs>/measurements.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(4),
        runtime=hours(1),
    params:
        code=code(MEASUREMENTS),
    shell:
        "python -m qebench step merge {input.parts} -o {output} 2> {log}"
