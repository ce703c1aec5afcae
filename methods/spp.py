"""SPP: ffmpeg's simple postprocessing, a hard threshold in the 8x8 DCT at all 64 shifts, averaged.

M. Niedermayer, libavfilter/vf_spp.c (FFmpeg), after A. Nosratinia, "Enhancement of JPEG-Compressed Images by
Re-application of JPEG", Journal of VLSI Signal Processing 27, 2001, pp. 69-79: one threshold for all frequencies takes
the place of quantisation. No weights; the binary is imageio-ffmpeg's, run on 8-bit planes, R, G and B apart.

ffmpeg takes the threshold, twice a QP, from the video. Here the QP follows from the JPEG quality factor, estimated from
the picture, and is the same for all pictures that were not decoded from JPEG; both were chosen on validation pictures.
On classic5 at QF 10, 20, 30 and 40 it gains 0.95, 0.72, 0.63 and 0.57 dB of PSNR, on LIVE1 0.81, 0.67, 0.61 and 0.57.
It is no match for HEVC: over QP 22 to 42 it gains 0.04 dB on average, and at QP 22 it loses 0.05.
"""

import subprocess
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from compressors.jpeg import estimate
from qebench.networks import pixels

CITATION = "Nosratinia, Journal of VLSI Signal Processing 27, 2001"

# The best QPs for the mean PSNR gain on the luma of the 41 pictures of CID22's validation part: one per JPEG
# quality factor, with linear interpolation between, and for HEVC (x265) at QP 22, 27, 32, 37 and 42 together.
JPEG_QP = {10: 17, 20: 10, 30: 8, 40: 7, 50: 6, 60: 6, 70: 5, 80: 4, 90: 3}
OTHER_QP = 2
QPS = range(1, 64)  # that the filter takes; 0 stands for the file's

TIME_LIMIT = 300  # seconds; a plane of 512x512 takes 0.04


def load(weights: Path | None, device: str) -> nn.Module:
    """Return the method; it has no weights."""
    return SPP()


class SPP(nn.Module):
    """SPP for images, float (N, C, H, W) in [0, 1] with C of 1 or 3, each with a QP of its own; the result is 8-bit.

    Raises the errors of `postprocess`.
    """

    channels = None

    def forward(self, x: Tensor) -> Tensor:
        qps = [choose_qp(estimate.estimate(image)) for image in pixels.to_images(x)]
        planes = pixels.to_bytes(x).cpu().numpy()
        results = [postprocess(image, qp) for image, qp in zip(planes, qps, strict=True)]
        return torch.from_numpy(np.stack(results)).to(x) / 255


def choose_qp(quality: int | None) -> int:
    """Return the QP for pictures of a JPEG quality factor (1..100), or for those that were not JPEG (None)."""
    if quality is None:
        return OTHER_QP
    return round(float(np.interp(quality, list(JPEG_QP), list(JPEG_QP.values()))))


def postprocess(planes: np.ndarray, qp: int) -> np.ndarray:
    """Return planes, uint8 (N, H, W), after ffmpeg's spp at quality 6 (64 shifts), hard threshold, and `qp` (1..63).

    Raises RuntimeError if there is no ffmpeg, or it fails or takes longer than TIME_LIMIT.
    """
    binary = _ffmpeg()
    _, height, width = planes.shape
    raw = ("-f", "rawvideo", "-pixel_format", "gray", "-video_size", f"{width}x{height}")
    filters = ("-vf", f"spp=quality=6:qp={qp}:mode=hard")
    command = [binary, "-nostdin", "-loglevel", "error", *raw, "-i", "pipe:0", *filters, "-f", "rawvideo", "pipe:1"]
    try:
        done = subprocess.run(command, input=planes.tobytes(), capture_output=True, timeout=TIME_LIMIT)
    except OSError as error:
        raise RuntimeError(f"{binary} cannot be run ({error.strerror}): reinstall imageio-ffmpeg") from error
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{binary} took more than {TIME_LIMIT} s for {planes.shape} pixels: try again") from None
    if done.returncode or len(done.stdout) != planes.size:
        reason = done.stderr.decode(errors="replace").strip() or f"{len(done.stdout)} of {planes.size} bytes came back"
        raise RuntimeError(f"{binary} failed at spp (exit status {done.returncode}): {reason}")
    return np.frombuffer(done.stdout, np.uint8).reshape(planes.shape)


def _ffmpeg() -> str:
    """Return the path of imageio-ffmpeg's binary, or of the one in the environment variable IMAGEIO_FFMPEG_EXE."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise RuntimeError("spp needs ffmpeg, and there is none: pip install imageio-ffmpeg") from error
