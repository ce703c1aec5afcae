"""Parts of a data set, joined, are the whole."""

import os
from pathlib import Path

import pytest

from qebench.datasets import shards
from qebench.evaluation import measurements


def write_manifest(path: Path, count: int) -> Path:
    path.with_suffix("").mkdir(parents=True)
    path.write_text("image,sha256\n" + "".join(f'"{number:02}, a",{number}\n' for number in range(count)))
    return path


@pytest.mark.parametrize(("count", "sizes"), [(1, [7]), (2, [3, 4]), (3, [2, 2, 3]), (7, [1] * 7)])
def test_parts_hold_every_row_once_in_order(tmp_path: Path, count: int, sizes: list[int]) -> None:
    manifest = write_manifest(tmp_path / "raise.csv", 7)
    header, *rows = manifest.read_text().splitlines()
    parts = [tmp_path / f"{number}.csv" for number in range(1, count + 1)]
    for number, part in enumerate(parts, start=1):
        shards.write(manifest, number, count, part)
        assert part.with_suffix("").resolve() == manifest.with_suffix("").resolve()
        assert not os.path.isabs(os.readlink(part.with_suffix("")))  # so that the folder may be moved
    written = [part.read_text().splitlines() for part in parts]
    assert [len(lines) - 1 for lines in written] == sizes
    assert [line for lines in written for line in lines[1:]] == rows
    assert {lines[0] for lines in written} == {header}


def test_more_parts_than_images_are_refused(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "raise.csv", 2)
    with pytest.raises(ValueError, match="lists 2 images, too few for 3 parts: set shards to 2 or less"):
        shards.write(manifest, 1, 3, tmp_path / "part.csv")


def test_names_of_parts_tell_their_data_set() -> None:
    assert shards.names("my-10of3", 1) == ["my-10of3"]
    assert shards.names("raise", 3) == ["raise.1of3", "raise.2of3", "raise.3of3"]
    assert {shards.dataset(name) for name in shards.names("raise", 12)} == {"raise"}
    assert shards.dataset("my-10of3") == "my-10of3"


def test_the_last_written_complete_set_of_manifests_is_found(tmp_path: Path) -> None:
    def touch(name: str, time: int) -> Path:
        path = tmp_path / name / "jpeg/10.csv"
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (time, time))
        return path

    with pytest.raises(FileNotFoundError, match="is missing, and so are those of parts"):
        shards.manifests(tmp_path, "mine", "jpeg/10.csv")
    whole = touch("mine", 1)
    assert shards.manifests(tmp_path, "mine", "jpeg/10.csv") == [whole]
    parts = [touch("mine.1of2", 2), touch("mine.2of2", 2)]
    touch("mine.1of3", 3)  # the others are not there
    assert shards.manifests(tmp_path, "mine", "jpeg/10.csv") == parts


def test_records_of_parts_become_one_unless_they_differ_in_more_than_images(tmp_path: Path) -> None:
    whole = write_manifest(tmp_path / "raise.csv", 5)
    rows = measurements.pd.DataFrame(columns=measurements.COLUMNS)
    images = [{"count": count, "manifest_sha256": str(count)} for count in (1, 2, 2)]
    records = [{"device": device, "images": each} for device, each in zip("aab", images, strict=True)]
    for number, record in enumerate(records):
        measurements.write(rows, [record], tmp_path / f"{number}.parquet")
    measurements.merge([tmp_path / f"{number}.parquet" for number in range(3)], tmp_path / "all.parquet", whole)
    _, joined = measurements.read(tmp_path / "all.parquet")
    sha256 = measurements.files.sha256(whole)
    assert joined == [
        {"device": "a", "images": {"count": 3, "manifest_sha256": sha256}},
        {"device": "b", "images": {"count": 2, "manifest_sha256": sha256}},
    ]
