rule prepare:
    """Pictures to the originals of the protocol; the manifest's checksums decide what is done again."""
    input:
        pictures,
    output:
        manifest="<results>/originals/{dataset}.csv",
    log:
        "<logs>/prepare/{dataset}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(4),
        runtime=hours(2),
    params:
        source=lambda wildcards: str(checked.source(config, wildcards.dataset) or "demo"),
        colour=PROTOCOL["colour"],
        crop=f"--crop {PROTOCOL['crop']}" if PROTOCOL["crop"] else "",
        scale=PROTOCOL["scale"],
        split=split_option,
        bytes=lambda wildcards: sum(path.stat().st_size for path in pictures(wildcards)),
        code=code("qebench.datasets.originals"),
    shell:
        "python -m qebench step prepare -o {output.manifest} --dataset {wildcards.dataset} {params.split}"
        " --colour {params.colour} {params.crop} --scale {params.scale} -- {params.source:q} 2> {log}"


rule shard:
    """The manifest of a part of a data set."""
    input:
        "<results>/originals/{dataset}.csv",
    output:
        "<results>/originals/{dataset}.{number}of{total}.csv",
    log:
        "<logs>/shard/{dataset}.{number}of{total}.log",
    wildcard_constraints:
        number=r"\d+",
        total=r"\d+",
    conda:
        "../../environment.yml"
    params:
        code=code("qebench.datasets.shards"),
    shell:
        "python -m qebench step shard {input} {wildcards.number} {wildcards.total} -o {output} 2> {log}"


rule compress:
    """A data set, or a part of one, at one quality: bitstreams, what they decode to, bits and versions."""
    input:
        manifest="<results>/originals/{part}.csv",
    output:
        table="<results>/decoded/{part}/{compressor}/{quality}.csv",
    log:
        "<logs>/compress/{part}/{compressor}/{quality}.log",
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=memory(2),
        runtime=hours(4),
    params:
        code=lambda wildcards: code(f"compressors.{wildcards.compressor}", "qebench.coding.folder"),
        data=lambda wildcards: content(*codec_data(wildcards)),
        settings=settings_options,
        source=source_options,
    shell:
        "python -m qebench step compress {wildcards.compressor} {input.manifest} {params.settings}{params.source}"
        " -q {wildcards.quality} -o {output.table} --workers {threads} 2> {log}"
