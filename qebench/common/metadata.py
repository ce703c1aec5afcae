"""What a picture file says beside its pixels, to go with them into another file: colour profile, EXIF and XMP.

The profile decides how the samples look, so it goes on byte for byte. So does EXIF, but for the orientation: pictures
are turned upright as they are read. Pillow's own way to write EXIF would move a camera's notes, whose offsets break.
"""

import re
import struct
from dataclasses import dataclass

from PIL import ExifTags, Image, PngImagePlugin

HEADER = b"Exif\0\0"  # before EXIF data in JPEG files (CIPA DC-008, 4.7.2)
ORIENTATION = int(ExifTags.Base.Orientation)
SHORT = 3  # type of its value
XMP = "XML:com.adobe.xmp"  # keyword of XMP in PNG files (Adobe, XMP Specification part 3, 1.1.5)
TURNED = re.compile(rb'(tiff:Orientation\s*(?:=\s*["\']|>\s*))[2-8]')
# What a TIFF file says of its picture and its making, and not of where its samples are.
DESCRIPTIVE = {"ImageDescription", "Make", "Model", "XResolution", "YResolution", "ResolutionUnit", "Software"}
DESCRIPTIVE |= {"DateTime", "Artist", "Copyright"}
SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True)
class Metadata:
    """An ICC profile, EXIF data (without the header of JPEG files) of an upright picture, and an XMP packet."""

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    def options(self) -> dict:
        """Return what Pillow's `save` takes to write them into a PNG file."""
        text = PngImagePlugin.PngInfo()
        if self.xmp:
            text.add_itxt(XMP, self.xmp.decode())
        given = {"icc_profile": self.icc_profile, "exif": self.exif}
        return {name: value for name, value in given.items() if value} | {"pnginfo": text}


def take(image: Image.Image) -> tuple[Metadata, int]:
    """Return what an opened, not yet loaded image says, and the orientation (1..8) in which its samples are stored.

    That is EXIF's or a TIFF file's. One in XMP alone counts for nothing; Pillow would turn the picture by it.
    """
    image.info.pop(XMP, None)
    xmp = image.info.pop("xmp", None)
    orientation = image.getexif().get(ORIENTATION, 1)
    turned = orientation in range(2, 9)
    exif = image.info.get("exif")
    exif = _upright(exif.removeprefix(HEADER)) if exif else _of_tiff(image) if image.format == "TIFF" else None
    if isinstance(xmp, str):
        xmp = xmp.encode()
    if xmp and not _is_text(xmp := xmp.rstrip(b"\0")):
        xmp = None
    if xmp and turned:
        xmp = TURNED.sub(rb"\g<1>1", xmp)
    return Metadata(image.info.get("icc_profile") or None, exif, xmp or None), orientation if turned else 1


def _upright(exif: bytes) -> bytes | None:
    """Return EXIF data with an orientation of 1, if it has any, and else as it is; None if it is damaged."""
    result = bytearray(exif)
    order = "<" if exif[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
            if tag == ORIENTATION:
                struct.pack_into(f"{order}{'H' if kind == SHORT else 'I'}", result, entry + 8, 1)
    except struct.error:
        return None
    return bytes(result)


def _of_tiff(image: Image.Image) -> bytes | None:
    """Return EXIF data of the descriptive tags of a TIFF file, None without any."""
    found, exif = image.getexif(), Image.Exif()
    kept = {int(ExifTags.Base[name]) for name in DESCRIPTIVE}
    for tag, value in found.items():
        if tag in kept:
            exif[tag] = value
    for directory in SUB_DIRECTORIES:
        if values := found.get_ifd(directory):
            exif[int(directory)] = values
    try:
        return exif.tobytes().removeprefix(HEADER) if len(exif) else None
    except Exception:  # malformed tags fail in several ways, and are not worth a picture
        return None


def _is_text(xmp: bytes) -> bool:
    try:
        xmp.decode()
    except UnicodeDecodeError:
        return False
    return True
