"""Damaged and hostile files: one clear error with the file's name, in time, and nothing run or written.

The parsers and small files are those of `fuzz.py`, which looks for more with a coverage-guided fuzzer. QEBENCH_FUZZ is
the number of damaged files for each parser (default: 30).
"""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
import yaml
from helpers import fuzz
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compressors import bpg
from compressors.bpg import container, hevc
from qebench import config
from qebench.__main__ import main as compressors_main
from qebench.checkpoints import matlab, reading
from qebench.common import images, plugins
from qebench.training import recipes

COUNT = int(os.environ.get("QEBENCH_FUZZ", "30"))
STRANGE = [b"", b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80" * 9]
usual = settings(max_examples=COUNT, suppress_health_check=list(HealthCheck))


def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return a file with some bytes replaced, put in or left out, or its end cut off."""
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(result)))
        end = draw(st.sampled_from([start, start + 1, start + 4, start + 16, len(result)]))
        result[start:end] = draw(st.sampled_from(STRANGE) | st.binary(max_size=8))
    return bytes(result)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged tags
@pytest.mark.parametrize("name", fuzz.PARSERS)
def test_a_damaged_file_is_read_or_refused_by_its_name(name, monkeypatch):
    monkeypatch.setattr(matlab, "TIME_LIMIT", 5)
    parse, seeds = fuzz.PARSERS[name]
    files, count = seeds(), COUNT // 10 if name == "mat" else COUNT  # each of those takes a process

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(files).flatmap(st.composite(damaged)))
    def check(content: bytes) -> None:
        parse(content)  # raises what it documents, or the test fails

    for content in files:
        parse(content)
    check()


def test_a_matlab_file_that_keeps_scipy_busy_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab, "TIME_LIMIT", 2)
    content = bytearray(fuzz.weights(".mat")[1])
    content[167] = 0x40  # the struct is an array of 1x1073741825
    (tmp_path / "net.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.mat is damaged: what reads MATLAB files .* took over 2 s"):
        reading.read(tmp_path / "net.mat")


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(side: int) -> bytes:
    """Return a whole gray PNG file whose header alone is large."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    return content.replace(old, new)


def tiff(side: int) -> bytes:
    """Return a TIFF file with other numbers as its width and height (tags 256 and 257)."""
    content = fuzz.encoded("TIFF")
    for tag, value in ((256, 24), (257, 18)):
        content = replaced(content, struct.pack("<HHII", tag, 4, 1, value), struct.pack("<HHII", tag, 4, 1, side))
    return content


def webp(side: int) -> bytes:
    """Return a lossless WebP file with another width and height, 14 bits each, in its header."""
    content = fuzz.encoded("WEBP", lossless=True)
    place = content.index(b"VP8L") + 9
    sizes = struct.unpack_from("<I", content, place)[0] & ~(2**28 - 1) | (side - 1) << 14 | side - 1
    return content[:place] + struct.pack("<I", sizes) + content[place + 4 :]


BOMBS = {"PNG": png(50_000), "TIFF": tiff(50_000), "WebP": webp(16_383)}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_picture_file_of_huge_size_is_refused_before_it_is_decoded(kind, tmp_path):
    (tmp_path / "bomb.png").write_bytes(BOMBS[kind])
    with pytest.raises(ValueError, match=r"bomb\.png has over 179 megapixels: crop or scale it down first"):
        images.read(tmp_path / "bomb.png")


def test_a_large_picture_comes_without_a_warning(tmp_path):
    (tmp_path / "large.png").write_bytes(png(10_000))
    command = "import sys; from qebench.common import images; print(images.container(sys.argv[1]))"
    run = [sys.executable, "-W", "error", "-c", command, tmp_path / "large.png"]
    done = subprocess.run(run, cwd=plugins.ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("PNG\n", "")


def jpeg_bomb() -> bytes:
    size = struct.pack(">BHH", 8, *fuzz.PICTURE.shape)
    return replaced(fuzz.encoded("JPEG", fuzz.PICTURE), size, struct.pack(">BHH", 8, 65_000, 65_000))


def bpg_bomb(side: int) -> bytes:
    header = container.Header(side, side, "gray")
    start = container.write(header, container.stream(*container.read(bpg.encode(fuzz.PICTURE, 30))))
    return start + bytes(side * side // container.MAX_PIXELS_PER_BYTE)


def hevc_bomb(side: int) -> bytes:
    """Return the stream of a picture with parameter sets for another size."""
    header, data = container.read(bpg.encode(fuzz.PICTURE, 30))
    units = hevc.units(container.stream(header, data))
    tools = next(hevc.read_sps(unit) for unit in units if hevc.kind(unit) == hevc.SPS)
    kept = [unit for unit in units if hevc.kind(unit) not in (hevc.VPS, hevc.SPS)]
    return hevc.parameter_sets(tools, side, side, "gray") + b"".join(hevc.START + unit for unit in kept)


@pytest.mark.parametrize(
    ("compressor", "content", "words"),
    [
        ("bpg", bpg_bomb(14_000), "a BPG file that is 14000x14000, which is over 179 megapixels"),
        ("hevc", hevc_bomb(14_000), "not an HEVC bitstream"),
        ("jpeg", jpeg_bomb(), "exceeds limit of 178956970 pixels"),
        ("webp", webp(16_383), "exceeds limit of 178956970 pixels"),
    ],
)
def test_a_bitstream_of_huge_size_is_refused_by_the_command(compressor, content, words, tmp_path):
    (tmp_path / "bomb").write_bytes(content)
    with pytest.raises(SystemExit, match=rf"^error: .*bomb: .*{words}"):
        compressors_main(["decode", compressor, str(tmp_path / "bomb"), "-o", str(tmp_path / "decoded.png")])
    assert [path.name for path in tmp_path.iterdir()] == ["bomb"]


class Trap:
    """An object whose unpickling writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of damaged headers
@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_no_damage_makes_code_in_weights_run(new, tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "weights.pt"
    torch.save({"a": torch.ones(3), "b": Trap(trap)}, path, _use_new_zipfile_serialization=new)
    content = path.read_bytes()

    @usual
    @given(st.just(content).flatmap(st.composite(damaged)))
    def check(damaged: bytes) -> None:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"weights\.pt"):
            reading.read(path)
        assert not trap.exists()

    check()
    path.write_bytes(content)
    torch.load(path, weights_only=False)  # the trap works where it is let
    assert trap.exists()


def test_no_list_of_images_leads_out_of_its_folder(tmp_path):
    (tmp_path / "list.csv").write_text("image,sha256\n../../1,ab\n")
    with pytest.raises(
        SystemExit, match=r"^error: .*list\.csv lists '\.\./\.\./1', which is no name of an image beside"
    ):
        compressors_main(
            ["step", "compress", "jpeg", str(tmp_path / "list.csv"), "-q", "50", "-o", str(tmp_path / "out/x.csv")]
        )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.none() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def changed(draw: st.DrawFn, content: dict) -> dict:
    """Return settings with another value in a place, or a key more or less."""
    content = {**content}
    key = draw(st.sampled_from(sorted(content)) | st.text(max_size=5))
    if isinstance(content.get(key), dict) and content[key] and draw(st.booleans()):
        content[key] = draw(changed(content[key]))
    elif draw(st.booleans()):
        content.pop(key, None)
    else:
        content[key] = draw(values)
    return content


@usual
@given(changed(config.default()))
def test_a_changed_config_is_run_or_refused_in_words(content):
    try:
        config.check(content)
    except (ValueError, FileNotFoundError) as error:
        assert str(error)


DEFAULT = recipes.FOLDER / "default.yaml"
RANKING = recipes.FOLDER / "ranking.yaml"  # which has every key
NO_SETTINGS = yaml.safe_dump(yaml.safe_load(DEFAULT.read_text()) | {"methods": {"dcad": None}}).encode()


@usual
@example(NO_SETTINGS)
@given(
    changed(yaml.safe_load(RANKING.read_text())).map(yaml.safe_dump).map(str.encode)
    | st.just(DEFAULT.read_bytes()).flatmap(st.composite(damaged))
    | st.sampled_from([b"[" * 5000, b"!!python/object/apply:os.mkdir [trap]", b"a: &a [*a, *a]", b"- 1", b""])
)
def test_a_changed_recipe_is_taken_or_refused_in_words(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "mine.yaml").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "FOLDER", folder)
        try:
            recipe = recipes.read("mine")
            for method in recipe.methods:
                recipe.candidates(method)
                recipe.settings_of(method)
        except ValueError as error:
            assert "mine.yaml" in str(error) or "there is no" in str(error)
    assert [path.name for path in folder.iterdir()] == ["mine.yaml"]
