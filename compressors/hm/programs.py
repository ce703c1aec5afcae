"""Run the encoder and the decoder of HM, and prove what the encoder says of a picture. Used by `compressors.hm`.

HM (HEVC Test Model, JCT-VC) prints the bits and the PSNR of each picture and writes the picture that a decoder should
get. All three are compared with the bitstream, with our own PSNR, and with what the decoder gives.
"""

import functools
import re
import shutil
from pathlib import Path

import numpy as np

from qebench.coding import tools
from qebench.common.metrics import IDENTICAL

SOURCE = (
    "HM, the HEVC reference software (https://vcgit.hhi.fraunhofer.de/jvet/HM), is to be built from its source; the"
    " compressor hevc needs nothing."
)
TIME_LIMIT = tools.TIME_LIMIT  # seconds for one picture; HM takes 3 to 6 per megapixel
CONFIGURATION = Path(__file__).with_name("hm_main_still_picture.cfg")
GRAY = ["--InputChromaFormat=400", "--ChromaFormatIDC=400", "--Profile=monochrome"]  # of 8 bit (H.265, clause A.3.5)
BITS_AND_PSNR = re.compile(r"(\d+) bits \[Y +([\d.]+) dB +U +([\d.]+) dB +V +([\d.]+) dB")
VERSION = re.compile(r"^HM software: \w+ Version \[([^\]]+)\]", re.MULTILINE)
START_CODE = re.compile(rb"\x00\x00+\x01")
ROUNDING = 0.5001e-4  # dB: PSNR is printed with four decimals


def find(encoder: str, decoder: str) -> tuple[Path, Path]:
    """Return the two programs; raises FileNotFoundError if one is missing."""
    found = []
    for name, variable in ((encoder, "HM_ENCODER"), (decoder, "HM_DECODER")):
        static = f"{name}Static"
        found.append(tools.find(static if not shutil.which(name) and shutil.which(static) else name, variable, SOURCE))
    return found[0], found[1]


@functools.cache
def version(encoder: Path, decoder: Path) -> str:
    """Return the versions that the programs print when they code a small picture, as they do with every other."""
    bitstream, _, encoded = _encoder(encoder, [np.zeros((8, 8), np.uint8)], 51)
    versions = []
    for program, log in ((encoder, encoded), (decoder, _decoder(decoder, bitstream)[1])):
        printed = VERSION.search(log)
        if not printed:
            raise RuntimeError(f"{program} is none of HM's programs: it prints no version, but {log[:200]!r}")
        versions.append(f"HM {printed[1]}")
    return f"{versions[0]}, decoded by {versions[1]}"


def compress(programs: tuple[Path, Path], planes: list[np.ndarray], qp: int) -> tuple[bytes, list[np.ndarray], str]:
    """Return the Annex B bitstream of one plane (4:0:0) or three (4:2:0), uint8 (H, W), and the planes it decodes to.

    Last comes what HM prints of them, its bits and its PSNR of each plane in dB.

    `programs` are those of `find`.
    Raises RuntimeError if HM fails, or if its words, its reconstruction and its bitstream are not of one picture.
    """
    encoder, decoder = programs
    bitstream, reconstruction, log = _encoder(encoder, planes, qp)
    if decompress(decoder, bitstream) != reconstruction:
        raise RuntimeError(f"{decoder.name} gives another picture than the reconstruction of {encoder.name}")
    if len(reconstruction) != sum(plane.size for plane in planes):
        raise RuntimeError(f"{encoder.name} made a picture of another size, {len(reconstruction)} samples")
    printed = BITS_AND_PSNR.search(log)
    if not printed:
        raise RuntimeError(f"{encoder.name} printed no bits and PSNR{_end(log)}")
    bits, whole = int(printed[1]), 8 * len(bitstream)
    units = 8 * sum(len(unit) for unit in START_CODE.split(bitstream))
    if bits not in (units, whole):  # HM 16.5 leaves start codes out, HM 16.25 counts them
        raise RuntimeError(f"{encoder.name} printed {bits} bits, but wrote {units}, or {whole} with start codes")
    decoded = split(reconstruction, [plane.shape for plane in planes])
    for name, text, original, plane in zip("YUV", printed.groups()[1:], planes, decoded, strict=False):  # one if 4:0:0
        error = np.mean(np.square(original - plane.astype(float)))
        ours = 10 * np.log10(255**2 / error) if error else IDENTICAL  # here in numpy: no worker need load torch
        if abs(ours - min(float(text), IDENTICAL)) > ROUNDING:  # HM prints 999.99 for planes without any error
            raise RuntimeError(f"{encoder.name} printed {text} dB for {name}, but it is {ours:.4f} dB")
    told = ", ".join(f"{name} {text} dB" for name, text, _ in zip("YUV", printed.groups()[1:], planes, strict=False))
    return bitstream, decoded, f"{bits} bits, {told}"


def decompress(decoder: Path, bitstream: bytes) -> bytes:
    """Return the decoded samples, plane after plane; raises RuntimeError if the decoder fails."""
    return _decoder(decoder, bitstream)[0]


def split(samples: bytes, shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    """Return planes of `shapes`, uint8 (H, W), which lie one after the other in `samples`."""
    ends = np.cumsum([height * width for height, width in shapes])[:-1]
    planes = np.split(np.frombuffer(samples, np.uint8).copy(), ends)
    return [plane.reshape(shape) for plane, shape in zip(planes, shapes, strict=True)]


def _encoder(encoder: Path, planes: list[np.ndarray], qp: int) -> tuple[bytes, bytes, str]:
    """Return the bitstream, the reconstruction and the words of HM's encoder."""
    height, width = planes[0].shape
    size = ["-wdt", str(width), "-hgt", str(height)]
    options: list[str | Path] = ["-c", CONFIGURATION, *(GRAY if len(planes) == 1 else []), "-q", str(qp)]
    with tools.scratch() as folder:
        (folder / "original.yuv").write_bytes(b"".join(plane.tobytes() for plane in planes))
        files = ["-i", "original.yuv", "-b", "bitstream.bin", "-o", "reconstruction.yuv"]
        log = _run([encoder, *options, *size, *files], folder)
        bitstream, reconstruction = (_read(encoder, folder / file, log) for file in files[3::2])
    return bitstream, reconstruction, log


def _decoder(decoder: Path, bitstream: bytes) -> tuple[bytes, str]:
    """Return the picture and the words of HM's decoder."""
    with tools.scratch() as folder:
        (folder / "bitstream.bin").write_bytes(bitstream)
        log = _run([decoder, "-b", "bitstream.bin", "-o", "decoded.yuv", "-d", "8"], folder)
        return _read(decoder, folder / "decoded.yuv", log), log


def _run(command: list[str | Path], folder: Path) -> str:
    return tools.run(command, TIME_LIMIT, folder=folder).stdout.decode(errors="replace")


def _read(program: Path, file: Path, log: str) -> bytes:
    """Return the bytes of an output; HM ends with exit status 0 even where it cannot open a file."""
    if not file.is_file():
        raise RuntimeError(f"{program.name} wrote no {file.name}{_end(log)}")
    return file.read_bytes()


def _end(log: str) -> str:
    return f": it ended with {log[-200:]!r}" if log.strip() else " and said nothing"
