"""One x265 encode in a process of its own.

    python -m qebench.coding.x265 WIDTH HEIGHT FORMAT QP BLOCK < raw > bitstream

x265's `lambda-file` option overwrites tables that belong to the whole process, so an encode with it would change every
later one (of the same libx265, whatever its settings). A separate process keeps the tables, and a crash or a hang, to
itself. Used by the codecs `hevc` and `bpg`.
"""

import math
import subprocess
import sys
from fractions import Fraction

from qebench.coding import tools
from qebench.common import plugins

MIN_SIDE = 32  # libx265 refuses smaller pictures
TIME_LIMIT = 600  # seconds for one picture; 100 megapixels at placebo take about 100

# The closest of 16 settings to the HM 16.5 reference: on 20 pictures the mean luma PSNR difference is 0.020 dB.
# ipratio=1.0 makes `qp` the QP of the intra picture itself (the default 1.4 lowers it by about 3).
OPTIONS = {"preset": "placebo", "tune": "psnr"}
PARAMETERS = "keyint=1:bframes=0:info=0:log-level=error:wpp=0:pools=none:frame-threads=1:ipratio=1.0:tu-intra-depth=3"
SETTINGS = f"preset=placebo:tune=psnr:{PARAMETERS}:lambda-file=HM intra"


def lambda_table() -> str:
    """Return x265's `lambda-file` text for HM's intra lambda, 0.57 * 2^((QP - 12) / 3), for QP 0..69.

    The file holds 70 square roots of lambda, then the 70 lambdas (x265 documentation, `--lambda-file`; HM's TEncSlice).
    """
    lambdas = [0.57 * 2 ** ((qp - 12) / 3) for qp in range(70)]
    rows = [[math.sqrt(value) for value in lambdas], lambdas]
    return "".join(",".join(f"{value:.8f}" for value in row) + ",\n" for row in rows)


def smallest_block(block: int) -> str:
    """Return the parameter, to be appended, for coding blocks no smaller than `block` pixels; 8 is the default."""
    return "" if block == 8 else f":min-cu-size={block}"


def encode_apart(planes: bytes, width: int, height: int, pixel_format: str, qp: int, block: int = 8) -> bytes:
    """Return the Annex B bitstream of one intra picture, encoded in a separate process.

    `planes` are the raw 8-bit planes of `pixel_format` ("gray", "yuv420p", "yuv422p" or "yuv444p"), without padding
    between rows; `block` is the side of the smallest coding block: 8, 16 or 32.
    Raises RuntimeError with x265's own words if the encoder fails or takes longer than TIME_LIMIT.
    """
    command = [sys.executable, "-m", "qebench.coding.x265", str(width), str(height), pixel_format, str(qp)]
    command.append(str(block))
    try:
        done = subprocess.run(command, input=planes, capture_output=True, timeout=TIME_LIMIT, cwd=plugins.ROOT)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"x265 took over {TIME_LIMIT} s for a {width}x{height} picture at QP {qp}") from None
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise RuntimeError(f"x265 failed on a {width}x{height} picture at QP {qp}: {reason}")
    return done.stdout


def _encode(planes: bytes, width: int, height: int, pixel_format: str, qp: int, block: int) -> bytes:
    import av

    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = width, height, pixel_format
    context.time_base = Fraction(1, 30)
    frame = av.VideoFrame(width, height, pixel_format)
    position = 0
    for plane in frame.planes:
        rows = [planes[position + y * plane.width : position + (y + 1) * plane.width] for y in range(plane.height)]
        plane.update(b"".join(row.ljust(plane.line_size, b"\0") for row in rows))
        position += plane.width * plane.height
    with tools.scratch() as folder:
        table = folder / "lambda.txt"
        table.write_text(lambda_table(), encoding="utf-8")
        parameters = f"{PARAMETERS}{smallest_block(block)}:qp={qp}:lambda-file={table}"
        context.options = {**OPTIONS, "x265-params": parameters}
        packets = context.encode(frame) + context.encode(None)
    return b"".join(bytes(packet) for packet in packets)


if __name__ == "__main__":
    width, height, pixel_format, qp, block = sys.argv[1:]
    sys.stdout.buffer.write(
        _encode(sys.stdin.buffer.read(), int(width), int(height), pixel_format, int(qp), int(block))
    )
