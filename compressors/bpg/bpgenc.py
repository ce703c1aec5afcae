"""bpgenc and bpgdec of libbpg 0.9.8 (F. Bellard), found on PATH or by the variables BPGENC and BPGDEC."""

import re
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from qebench.coding import tools

SOURCE = "bpgenc and bpgdec are part of libbpg 0.9.8 (https://bellard.org/bpg); encoder=libx265 needs neither."


def version(encoder: str) -> str:
    """Return the versions of both programs, and the HEVC encoder inside.

    Raises FileNotFoundError if a program is missing, or if bpgenc was built without the encoder, and RuntimeError if
    a program's help is not that of libbpg.
    """
    words = {name: _help(_program(name)) for name in ("bpgenc", "bpgdec")}
    encoders = _told(r"HEVC encoder \(([^,]*),", words["bpgenc"])
    if encoder not in encoders.split():
        raise FileNotFoundError(f"{_program('bpgenc')} was built without {encoder}: it has {encoders}. {SOURCE}")
    versions = {name: _told(r"version (\S+)", text) for name, text in words.items()}
    return f"bpgenc {versions['bpgenc']} ({encoder}), decoded by bpgdec {versions['bpgdec']}"


def compress(image: np.ndarray, options: list[str]) -> bytes:
    """Return the BPG file of a uint8 (H, W) or (H, W, 3) image by bpgenc with these options."""
    with tools.scratch() as folder:
        original, file = folder / "image.png", folder / "image.bpg"
        Image.fromarray(image).save(original)
        tools.run([_program("bpgenc"), *options, "-o", file, original])
        return file.read_bytes()


def decompress(bitstream: bytes) -> np.ndarray:
    """Return the uint8 (H, W, 3) image that bpgdec makes of a BPG file, even if it is gray, without its alpha plane.

    Raises ValueError with the words of bpgdec if it cannot decode the file.
    """
    with tools.scratch() as folder:
        file, decoded = folder / "image.bpg", folder / "image.ppm"
        file.write_bytes(bitstream)
        program = _program("bpgdec")
        try:
            tools.run([program, "-o", decoded, file])
        except RuntimeError as error:
            raise ValueError(f"not a whole BPG file: {error}") from None
        return np.array(Image.open(decoded))


def _program(name: str) -> Path:
    return tools.find(name, name.upper(), SOURCE)


def _help(program: Path) -> str:
    """Return the help of bpgenc or bpgdec, which they end with exit status 1."""
    return subprocess.run([program, "-h"], capture_output=True, text=True, timeout=60).stdout


def _told(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"a program that is none of libbpg's says {text[:80]!r} for its help. {SOURCE}")
    return found[1]
