"""The data sets that papers name: how many pictures, on what terms, and where they come from.

What belongs to them is in `benchmarks.membership`; the splits of the protocols are in workflow/splits/.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """A file to download: a zip archive of pictures, or one picture."""

    part: str  # of the data set
    url: str
    sha256: str | None = None  # of the file; None where only the pixels are known


@dataclass(frozen=True)
class Collection:
    """A data set that papers name."""

    title: str
    count: int  # pictures
    terms: str  # of use, as stated at the source
    citation: str
    source: str  # where it comes from, a sentence
    names: str = ""  # a regular expression of file names without suffix; "" if the pixels decide
    sizes: tuple[str, ...] = ()  # longer side x shorter side, with * for any
    archives: tuple[Archive, ...] = ()


COLLECTIONS = {
    "raise": Collection(
        title="RAISE",
        count=8156,
        terms="non-commercial research and education",
        citation="Dang-Nguyen, Pasquini, Conotter, Boato: RAISE: A Raw Images Dataset for Digital Image Forensics. "
        "ACM MMSys 2015, doi:10.1145/2713168.2713194",
        source="Ask for it on its official page (RAISE, MMLab, University of Trento: loki.disi.unitn.it/RAISE), accept "
        "the terms there, and put the TIFF files, all or some, into one folder.",
        names="r[0-9a-f]{8}t",
        sizes=("4928x3264", "4288x2848", "3008x2000"),  # Nikon D7000, D90, D40
    ),
    "div2k": Collection(
        title="DIV2K",
        count=900,  # those with published originals: 800 for training, 100 for validation
        terms="academic research",
        citation="Agustsson, Timofte: NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study. "
        "CVPR Workshops 2017, doi:10.1109/CVPRW.2017.150",
        source="Its official page is data.vision.ee.ethz.ch/cvl/DIV2K: get the high resolution images there, or let "
        "`qebench dataset div2k FOLDER --download valid` do it (449 MB; train: 3.5 GB).",
        names="0(?!000)[0-8][0-9]{2}|0900",
        sizes=("2040x*",),
        archives=(  # SHA-256 as in TensorFlow Datasets, div2k/checksums.tsv
            Archive(
                "valid",
                "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
                "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
            ),
            Archive(
                "train",
                "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
                "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
            ),
        ),
    ),
    "kodak": Collection(
        title="Kodak",
        count=24,
        terms="released by the Eastman Kodak Company for unrestricted use",
        citation="Franzen: Kodak Lossless True Color Image Suite, r0k.us/graphics/kodak",
        source="It is at r0k.us/graphics/kodak: get kodim01.png to kodim24.png there, or let "
        "`qebench dataset kodak FOLDER --download all` do it (15 MB).",
        archives=tuple(
            Archive("all", f"https://r0k.us/graphics/kodak/kodak/kodim{number:02}.png") for number in range(1, 25)
        ),
    ),
    "live1": Collection(
        title="LIVE1",
        count=29,
        terms="none stated: do not redistribute",
        citation="Sheikh, Sabir, Bovik: A Statistical Evaluation of Recent Full Reference Image Quality Assessment "
        "Algorithms. IEEE TIP 2006, doi:10.1109/TIP.2006.881959",
        source="Ask for the LIVE Image Quality Assessment Database, Release 2, at live.ece.utexas.edu: its folder "
        "refimgs is LIVE1.",
    ),
    "classic5": Collection(
        title="classic5",
        count=5,
        terms="none stated: do not redistribute",
        citation="Foi, Katkovnik, Egiazarian: Pointwise Shape-Adaptive DCT for High-Quality Denoising and Deblocking "
        "of Grayscale and Color Images. IEEE TIP 2007, doi:10.1109/TIP.2007.891788",
        source="It comes with the code of many papers on JPEG artifacts, such as DnCNN (testsets of cszn/DnCNN): "
        "baboon, barbara, boats, lena and peppers, gray, 512x512.",
    ),
}


def find(name: str) -> Collection:
    """Return the data set of that name; raise ValueError if there is none."""
    if name not in COLLECTIONS:
        raise ValueError(f"there is no data set {name!r}: there are {', '.join(COLLECTIONS)}")
    return COLLECTIONS[name]


def text(collection: Collection) -> str:
    """Return what is known of a data set, for people."""
    lines = [
        f"{collection.title}: {collection.count:,} pictures",
        collection.source,
        f"Terms: {collection.terms}.",
        collection.citation,
    ]
    return "\n".join(lines)
