"""What people read and see in place of a plug-in's file name: its display name, its colour and its marker.

Every figure and the report take them from here, so a method looks the same wherever it is drawn, whatever else was run.
Networks are spelled as in their papers. A plug-in that is not listed keeps its own name, and gets a spare colour that
depends on the name alone.
"""

import zlib

DECODED = "decoded"
EARLY = "early exit"

METHODS = {  # display name, colour, marker of matplotlib
    DECODED: ("decoded", "#808080", "."),
    "rbqe": ("RBQE", "#2a7fd0", "o"),
    "dcad": ("DCAD", "#d95f02", "s"),
    "dncnn": ("DnCNN", "#149a63", "D"),
    "cbdnet": ("CBDNet", "#b955a8", "^"),
    "arcnn": ("AR-CNN", "#a87d00", "v"),
    "qecnn": ("QE-CNN", "#1295ad", "P"),
    "pixelunet": ("PixelUNet", "#5f6b7a", "p"),
    "pixelunet-colour": ("PixelUNet in colour", "#5f6b7a", "D"),
    "chain": ("Chain", "#5f6b7a", "H"),
    "unet": ("U-Net", "#8468d8", "X"),
    "fbcnn": ("FBCNN", "#dc4058", "p"),
    "esrgan": ("ESRGAN", "#7c8c1c", "h"),
    "mprnet": ("MPRNet", "#a4694a", "<"),
    "rdn": ("RDN", "#d14b94", ">"),
    "rbqe-powerqe-v1": ("RBQE (PowerQE v1)", "#1295ad", "8"),
    "rbqe-powerqe-v3": ("RBQE (PowerQE v3)", "#8468d8", "*"),
    "spp": ("SPP", "#7c8c1c", "d"),
    "reapply": ("re-applied JPEG", "#a4694a", "d"),
    "spandrel": ("spandrel", "#d14b94", "8"),
}
# Each has a contrast of at least 3.5 : 1 with white and with the dark page.
SPARE_COLOURS = ["#dc4058", "#7c8c1c", "#a4694a", "#d14b94"]
SPARE_MARKERS = "dph<>8*"

COMPRESSORS = {
    "jpeg": "JPEG",
    "hevc": "HEVC",
    "hm": "HEVC (HM)",
    "bpg": "BPG",
    "webp": "WebP",
    "avif": "AVIF",
    "double_jpeg": "double JPEG",
    "double_jpeg_shifted": "double JPEG, shifted",
    "jpegxl": "JPEG XL",
    "jpeg2000": "JPEG 2000",
}
PARAMETERS = {"jpeg": "QF", "hevc": "QP", "hm": "QP", "bpg": "QP"}  # what the quality is called; of others: quality


def display_name(name: str) -> str:
    """Return the name of a method or compressor as people write it; one that is not listed is returned as it is."""
    return METHODS[name][0] if name in METHODS else COMPRESSORS.get(name, name)


def colour(method: str) -> str:
    """Return the colour of a method, as #rrggbb."""
    return METHODS[method][1] if method in METHODS else SPARE_COLOURS[_number(method) % len(SPARE_COLOURS)]


def marker(method: str) -> str:
    """Return the marker of a method, in matplotlib's letters."""
    return METHODS[method][2] if method in METHODS else SPARE_MARKERS[_number(method) % len(SPARE_MARKERS)]


def label(method: str, early_exit: bool = False) -> str:
    """Return what a legend says of a method: "RBQE", or "RBQE, early exit"."""
    return f"{display_name(method)}, {EARLY}" if early_exit else display_name(method)


def parameter(compressor: str) -> str:
    """Return what the quality of a compressor is called: "QF" (JPEG), "QP" (HEVC and its kin) or "quality"."""
    return PARAMETERS.get(compressor, "quality")


def _number(name: str) -> int:
    return zlib.crc32(name.encode())  # unlike hash(), the same in every run
