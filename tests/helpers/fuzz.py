"""python tests/helpers/fuzz.py bpg -max_total_time=60

Feed one of our parsers with what a coverage-guided fuzzer makes of small files (`pip install atheris`; it is in no
list of requirements). What follows the name goes to libFuzzer: -help=1 lists it. A file on which a parser fails with
another error than those it documents, takes over TIME_LIMIT or much memory is kept in the current folder as crash-...,
timeout-... or oom-...; make a test of it (tests/commands/test_fuzz.py, which has the same parsers and files).
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

TIME_LIMIT = 20  # seconds
MEMORY_LIMIT = 2048  # MiB
PICTURE = np.add.outer(np.arange(18) * 9, np.arange(24) * 4).astype(np.uint8)
COLOURS = np.stack([PICTURE, PICTURE.T[:18, :18].repeat(2, 1)[:, :24], PICTURE[::-1]], axis=2)


def encoded(container: str, image: np.ndarray = COLOURS, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(image).save(file, container, **options)
    return file.getvalue()


def pictures() -> list[bytes]:
    """Return small picture files of every kind that is read, 16-bit samples and palettes too."""
    from qebench.common import images  # noqa: F401  registers HEIF

    wide = PICTURE.astype(np.uint16) * 257
    tags = Image.Exif()
    tags[274], tags[271] = 6, "A camera"
    said = {"exif": tags.tobytes(), "icc_profile": bytes(200), "xmp": b'<x tiff:Orientation="6"/>'}
    return [
        *(encoded("PNG", image) for image in (PICTURE, COLOURS, wide)),
        encoded("PNG", np.zeros((16, 16), bool)),
        *(encoded("JPEG", image) for image in (PICTURE, COLOURS)),
        encoded("WEBP"),
        encoded("WEBP", lossless=True),
        *(encoded("TIFF", image) for image in (PICTURE, COLOURS, wide)),
        encoded("TIFF", compression="tiff_lzw"),
        encoded("TIFF", compression="jpeg"),
        encoded("BMP"),
        encoded("AVIF"),
        encoded("HEIF"),
        encoded("JPEG", progressive=True, **said),
        encoded("JPEG", restart_marker_blocks=1),
        encoded("MPO", save_all=True, append_images=[Image.fromarray(PICTURE)]),
        encoded("WEBP", **said),
        encoded("TIFF", compression="tiff_adobe_deflate", **said),
        encoded("TIFF", compression="zstd"),
        *tiffs(),
    ]


def tiffs() -> list[bytes]:
    """Return small TIFF files of 16 bits, and one with a thumbnail."""
    import tifffile

    wide = COLOURS.astype(np.uint16) * 257
    kinds = [{"bigtiff": True}, {"compression": "lzma", "predictor": True}, {"tile": (16, 16)}, {"compression": "zstd"}]
    files = []
    for options in kinds:
        file = BytesIO()
        tifffile.imwrite(file, wide, photometric="rgb", **options)
        files.append(file.getvalue())
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(COLOURS, photometric="rgb", metadata=None)
        writer.write(COLOURS[::2, ::2].copy(), photometric="rgb", subfiletype=1, metadata=None)
    return [*files, file.getvalue()]


def bitstreams(name: str) -> list[bytes]:
    """Return small bitstreams of a compressor."""
    from qebench.common import plugins

    compressor = plugins.find("compressors", name)
    return [compressor.encode(image, compressor.QUALITIES[len(compressor.QUALITIES) // 2]) for image in IMAGES]


IMAGES = (PICTURE, COLOURS)


def parameter_sets() -> list[bytes]:
    from compressors.bpg import container, hevc

    streams = [container.stream(*container.read(file)) for file in bitstreams("bpg")]
    return [unit for stream in streams for unit in hevc.units(stream) if hevc.kind(unit) == hevc.SPS]


def weights(suffix: str) -> list[bytes]:
    """Return small weights files with a name that ends so."""
    import torch
    from safetensors.torch import save

    from helpers.weight_files import SAVE, simplenn

    if suffix == ".safetensors":
        return [save({"layers.0.weight": torch.ones(2, 1, 3, 3), "layers.0.bias": torch.zeros(2)}, {"training": "{}"})]
    if suffix == ".pt":
        files = []
        for new in (True, False):
            file = BytesIO()
            torch.save({"module_net": {"module.a": torch.ones(3)}}, file, _use_new_zipfile_serialization=new)
            files.append(file.getvalue())
        wrapped = {
            "module._orig_mod.a": torch.ones(3),
            "module._orig_mod.b": torch.ones(2),
            "n_averaged": torch.tensor(1),
        }
        torch.save({"params": wrapped, "params_ema": wrapped}, file := BytesIO())
        files.append(file.getvalue())
        return files
    files = []
    for save_mat in SAVE.values():
        with tempfile.TemporaryDirectory() as folder:
            save_mat(Path(folder) / "x.mat", simplenn([1, 2, 1]))
            files.append((Path(folder) / "x.mat").read_bytes())
    return files


def by_file(read: Callable[[Path], object], suffix: str) -> Callable[[bytes], None]:
    """Return a parser of bytes from one of a file, whose errors must name the file."""

    def parse(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"given{suffix}"
            path.write_bytes(content)
            try:
                read(path)
            except ValueError as error:
                assert str(path) in str(error), error
            assert [each.name for each in Path(folder).iterdir()] == [path.name]

    return parse


def by_decoder(name: str) -> Callable[[bytes], None]:
    """Return a parser of bytes from a compressor; the commands add the name of the file to its errors."""

    def parse(content: bytes) -> None:
        from qebench.common import plugins

        try:
            image = plugins.find("compressors", name).decode(content)
        except ValueError as error:
            assert str(error)
        else:
            assert image.dtype == np.uint8

    return parse


def read_sps(content: bytes) -> None:
    from compressors.bpg import hevc

    with suppress(ValueError):
        hevc.read_sps(content)


def _weights(path: Path) -> None:
    from qebench.checkpoints import reading

    reading.read(path)


def _picture(path: Path) -> None:
    from qebench.common import images

    images.read(path)


def _quality(path: Path) -> None:
    from compressors.hevc import file_qp
    from compressors.jpeg import estimate

    assert estimate.of_file(path) in (None, *range(1, 101))
    assert (qp := file_qp.of_file(path)) is None or isinstance(qp, float)


def _table(path: Path) -> None:
    from qebench.common import files

    files.read_csv(path)


def _measurements(path: Path) -> None:
    from qebench.evaluation import measurements

    measurements.read(path)


def _manifest(path: Path) -> None:
    from qebench.datasets import manifests

    manifests.rows(path)


def parquet() -> list[bytes]:
    import pandas as pd

    from qebench.evaluation import measurements

    with tempfile.TemporaryDirectory() as folder:
        row = ["mine", "1", "jpeg", 50, "dcad", "jpeg", 1, "psnr", 30.0]
        measurements.write(pd.DataFrame([row], columns=measurements.COLUMNS), [{}], Path(folder) / "x.parquet")
        return [(Path(folder) / "x.parquet").read_bytes()]


# By name: the parser, which fails with no other errors than it should, and the small files to begin with.
PARSERS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "picture": (by_file(_picture, ".png"), pictures),
    "bpg": (by_decoder("bpg"), lambda: bitstreams("bpg")),
    "hevc": (by_decoder("hevc"), lambda: bitstreams("hevc")),
    "jpeg": (by_decoder("jpeg"), lambda: bitstreams("jpeg")),
    "webp": (by_decoder("webp"), lambda: bitstreams("webp")),
    "avif": (by_decoder("avif"), lambda: bitstreams("avif")),
    "jpegxl": (by_decoder("jpegxl"), lambda: bitstreams("jpegxl")),
    "jpeg2000": (by_decoder("jpeg2000"), lambda: bitstreams("jpeg2000")),
    "sps": (read_sps, parameter_sets),
    "safetensors": (by_file(_weights, ".safetensors"), lambda: weights(".safetensors")),
    "pt": (by_file(_weights, ".pt"), lambda: weights(".pt")),
    "mat": (by_file(_weights, ".mat"), lambda: weights(".mat")),
    "measurements": (by_file(_measurements, ".parquet"), parquet),
    "quality": (by_file(_quality, ".jpg"), pictures),
    "table": (by_file(_table, ".csv"), lambda: [b'image,value\nNA,1.5\n"a\nb",\n007,2\n']),
    "manifest": (by_file(_manifest, ".csv"), lambda: [b"image,sha256\n1,ab\n2,cd\n"]),
}


def main() -> None:
    import atheris

    name, *options = sys.argv[1:]
    parse, seeds = PARSERS[name]
    with tempfile.TemporaryDirectory() as folder:
        with atheris.instrument_imports(include=["benchmarks", "compressors", "methods"]):
            for number, content in enumerate(seeds()):
                (Path(folder) / str(number)).write_bytes(content)
                parse(content)  # imports what it needs
        limits = [f"-timeout={TIME_LIMIT}", f"-rss_limit_mb={MEMORY_LIMIT}", "-max_len=65536"]
        atheris.Setup([sys.argv[0], *limits, *options, folder], parse)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
