"""The settings of compressors, and the external programs that some of them run."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest

from compressors import jpeg
from qebench.coding import interface, tools


@dataclass(frozen=True)
class Settings:
    subsampling: Literal["420", "444"] = "420"
    effort: int = 9
    lossless: bool = False
    tune: str = "psnr"


codec = ModuleType("compressors.toy")
codec.Settings = Settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Settings()),
        ({"subsampling": "444", "effort": "3", "lossless": "True", "tune": "ssim"}, Settings("444", 3, True, "ssim")),
        ({"subsampling": 444, "effort": -1, "lossless": False}, Settings("444", -1, False)),  # as YAML reads them
    ],
)
def test_settings_are_taken_from_text_and_from_yaml(given, expected):
    settings = interface.configure(codec, given)
    assert settings == expected
    assert interface.configure(codec, interface.choices(settings)) == settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"subsamplng": 444}, "toy has no setting 'subsamplng': did you mean 'subsampling'?"),
        ({"depth": 8}, "toy has no setting 'depth': it has subsampling, effort, lossless, tune"),
        ({"subsampling": "4:2:2"}, "toy: subsampling is '4:2:2': choose one of 420, 444"),
        ({"effort": "high"}, "toy: effort is 'high': it takes a whole number"),
        ({"lossless": 1}, "toy: lossless is 1: it takes true or false"),
    ],
)
def test_a_mistaken_setting_is_named_with_what_there_is(given, message):
    with pytest.raises(ValueError) as error:
        interface.configure(codec, given)
    assert str(error.value) == message


def test_a_codec_without_settings_says_so():
    bare = ModuleType("compressors.bare")
    bare.Settings = interface.NoSettings
    assert interface.configure(bare, {}) == interface.NoSettings()
    with pytest.raises(ValueError, match="bare has no setting 'subsampling': it has none"):
        interface.configure(bare, {"subsampling": 420})
    assert interface.configure(jpeg, {}) == jpeg.DEFAULT


@pytest.fixture
def program(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "encoder"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return write


def test_programs_are_found_on_path_or_by_their_variable(program, monkeypatch):
    path = program("true")
    monkeypatch.setenv("PATH", str(path.parent))
    assert tools.find("encoder", "TOY_ENCODER", "") == path.resolve()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("TOY_ENCODER", str(path))
    assert tools.find("another", "TOY_ENCODER", "") == path.resolve()


def test_a_missing_program_is_named_with_where_it_comes_from(monkeypatch, tmp_path):
    monkeypatch.delenv("TOY_ENCODER", raising=False)
    with pytest.raises(FileNotFoundError, match=r"toyenc is not installed.*into TOY_ENCODER\. From the toy shop\.$"):
        tools.find("toyenc", "TOY_ENCODER", "From the toy shop.")
    monkeypatch.setenv("TOY_ENCODER", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"TOY_ENCODER is .* no program.* From the toy shop\.$"):
        tools.find("toyenc", "TOY_ENCODER", "From the toy shop.")


def test_programs_get_input_and_folder_and_give_both_outputs(program, tmp_path):
    done = tools.run([program("cat; pwd >&2")], input=b"\0raw", folder=tmp_path)
    assert done.stdout == b"\0raw"
    assert Path(done.stderr.decode().strip()) == tmp_path.resolve()


def test_a_failing_program_is_quoted(program):
    with pytest.raises(RuntimeError, match=r"^encoder failed with exit status 3: bad QP \| giving up$"):
        tools.run([program("echo 'bad QP' >&2; echo 'giving up' >&2; exit 3")])
    with pytest.raises(RuntimeError, match=r"^encoder failed with signal 9 and said nothing$"):
        tools.run([program("kill -9 $$")])
    with pytest.raises(RuntimeError, match=r"encoder could not be started"):
        path = program("")
        path.write_bytes(b"\x7fELF")
        tools.run([path])


def test_a_hanging_program_is_killed_with_what_it_started(program, tmp_path):
    child = tmp_path / "child"
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"^encoder took over 0\.5 s and was stopped$"):
        tools.run([program(f"sleep 60 & echo $! > {child}; wait")], limit=0.5)
    assert time.monotonic() - began < 10
    time.sleep(0.1)
    process = Path(f"/proc/{int(child.read_text())}/stat")
    if os.path.isdir("/proc/self"):
        assert not process.exists() or process.read_text().split()[2] == "Z"  # gone, or waiting to be reaped
