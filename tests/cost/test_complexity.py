"""Networks cost what the papers print, what the original code costs, and what counting by hand gives."""

import math
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from benchmarks.figures import complexity as figure
from benchmarks.figures import gain_over_cost
from benchmarks.tables import table2
from qebench.__main__ import main
from qebench.common import plugins
from qebench.cost import complexity
from qebench.evaluation.measurements import COLUMNS
from qebench.evaluation.results import Results
from qebench.networks import catalogue, multi_exit

# RBQE, ECCV 2020, Figs. 5a and 6b: method, exit, then GMACs published, by thop 0.0.30 run on the networks, and exact;
# parameters used. One channel, 512x512.
PAPER = [
    ("rbqe", 1, 10.2, 10.2386, 9.3114, 45_901),
    ("rbqe", 2, 14.7, 14.6730, 12.6395, 91_455),
    ("rbqe", 3, 18.7, 18.6694, 15.4597, 147_933),
    ("rbqe", 4, 22.9, 22.9170, 18.4968, 216_682),
    ("rbqe", 5, 27.6, 27.5769, 21.9320, 299_031),
    ("dcad", 1, 77.8, 77.7627, 77.6114, 296_641),
    ("qecnn", 1, 118.4, 118.4306, 118.3549, 451_777 + 288),  # with a PReLU slope per channel
    ("cbdnet", 1, 160.5, 160.5438, 147.4382, 4_362_306),
    ("dncnn", 1, 175.8, 175.7752, 174.2482, 668_225),
]
# PowerQE v3 (commit bd066ed), its own code: method, exit, parameters used, exact GMACs. Three channels, 512x512.
POWERQE_V3 = [
    ("arcnn", 1, 117_731, 30.8323),
    ("dcad", 1, 298_947, 78.2154),
    ("dncnn", 1, 557_443, 145.8611),
    ("cbdnet", 1, 3_944_710, 134.6875),
    ("rdn", 1, 414_147, 108.3640),
    ("unet", 1, 4_097_795, 145.8611),
    ("esrgan", 1, 6_694_915, 114.7562),
    ("mprnet", 1, 887_217, 105.2980),
    ("rbqe-powerqe-v3", 5, 888_451, 84.8285),
]
# PowerQE v1.0 (commit 096685b), its own README: method, form, parameters. Three channels.
POWERQE_V1 = [
    ("arcnn", "powerqe-v1", 20_099),
    ("dcad", "powerqe-v1", 40_451),
    ("dncnn", "powerqe-v1-bn", 40_515),
    ("cbdnet", "powerqe-v1", 1_860_806),
    ("esrgan", "powerqe-v1", 1_451_011),
]
POWERQE_V1_RBQE = [298_898, 743_594, 1_409_672, 2_333_996, 3_553_430]  # one network per exit, with all heads up to it


@pytest.fixture(scope="module")
def survey() -> pd.DataFrame:
    return complexity.survey()


def row(survey: pd.DataFrame, method: str, exit: int, channels: int, forms: list[str]) -> pd.Series:
    rows = survey[(survey["method"] == method) & (survey["exit"] == exit) & (survey["channels"] == channels)]
    (chosen,) = (record for _, record in rows[rows["form"].isin(forms)].iterrows())
    return chosen


@pytest.mark.parametrize(("method", "exit", "published", "paper", "exact", "params"), PAPER)
def test_the_networks_of_the_paper_cost_what_it_prints(survey, method, exit, published, paper, exact, params):
    cost = row(survey, method, exit, 1, ["", "paper"])
    assert round(cost["gmacs_paper"], 1) == published == cost["gmacs_published"]
    assert (cost["gmacs_paper"], cost["gmacs"], cost["params_used"]) == (paper, exact, params)


def test_published_gmacs_stand_beside_the_networks_they_are_of_only(survey):
    rows = survey.dropna(subset="gmacs_published")
    assert len(rows) == len(PAPER)
    assert set(rows["channels"]) == {1}
    assert set(rows["form"]) == {"", "paper"}
    (smaller,) = complexity.measure("dcad", 1, height=256)
    assert math.isnan(smaller["gmacs_published"])


@pytest.mark.parametrize(("method", "exit", "params", "exact"), POWERQE_V3)
def test_the_networks_of_powerqe_v3_cost_what_the_originals_do(survey, method, exit, params, exact):
    cost = row(survey, method, exit, 3, ["", "powerqe-v3"])
    assert (cost["params_used"], cost["gmacs"]) == (params, exact)


@pytest.mark.parametrize(("method", "form", "params"), POWERQE_V1)
def test_the_networks_of_powerqe_v1_have_the_published_parameters(survey, method, form, params):
    cost = row(survey, method, 1, 3, [form])
    assert cost["params"] == cost["params_used"] == params  # tied layers count once


def test_the_exits_of_powerqe_v1_have_the_published_parameters(survey):
    (network,) = catalogue.networks("rbqe-powerqe-v1")
    model = network.module
    x = torch.zeros(1, 3, 64, 64, device="meta")
    for exit, params in enumerate(POWERQE_V1_RBQE, start=1):
        assert complexity.count(model, lambda e=exit: list(islice(model.exits(x), e)))["params_used"] == params
    # an exit alone does without the heads before it: attention's kernel of 3, a 3x3 convolution of 64 channels to 3
    used = survey.loc[survey["method"] == "rbqe-powerqe-v1", "params_used"]
    assert [params - (3 + 9 * 64 * 3 + 3) * n for n, params in enumerate(POWERQE_V1_RBQE)] == used.to_list()


# All of ours; not simply every method, since the products of a newcomer's attention belong to no layer.
NETWORKS = sorted({name for name, *_ in [*PAPER, *POWERQE_V3, *POWERQE_V1]} | {"fbcnn", "rbqe-powerqe-v1"})


@pytest.mark.parametrize("method", NETWORKS)
def test_the_exact_count_is_that_of_counting_layers_by_hand(method):
    for network in catalogue.networks(method):
        model, macs = network.module, []

        def add(layer: nn.Module, inputs: tuple[Tensor], output: Tensor, macs: list[int] = macs) -> None:
            # every weight once per pixel that it slides over: of the coarser side, if the resolution changes
            pixels = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
            channels = pixels.shape[-1 if isinstance(layer, nn.Linear) else 1]
            macs.append(pixels.numel() // channels * layer.weight.numel())

        for layer in model.modules():
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                layer.register_forward_hook(add)
        x = torch.zeros(1, network.channels, 64, 96, device="meta")
        gmacs = complexity.exact(lambda: list(multi_exit.exits(model, x)))  # noqa: B023
        assert round(gmacs * 1e9) == sum(macs) > 0, network.form


# thop 0.0.30 (Lyken17/pytorch-OpCounter, December 2019), count_hooks.py: layer, its input, what it counts
THOP = [
    (nn.Conv2d(6, 4, 3, padding=1, groups=2), (1, 6, 8, 10), 4 * 8 * 10 * (3 * 9 + 1)),
    (nn.Conv2d(6, 4, 3, stride=2, padding=1, bias=False), (1, 6, 8, 10), 4 * 4 * 5 * 6 * 9),
    (nn.ConvTranspose2d(6, 4, 2, stride=2), (1, 6, 8, 10), 4 * 16 * 20 * (6 * 4 + 1)),
    (nn.Linear(6, 4), (2, 6), 2 * 4 * (6 + 5 + 1)),
    (nn.BatchNorm2d(6), (1, 6, 8, 10), 4 * 6 * 8 * 10),
    (nn.AvgPool2d(2), (1, 6, 8, 10), 6 * 4 * 5 * 3),
    (nn.AdaptiveAvgPool2d(1), (1, 6, 8, 10), 6 * (8 * 10 + 1)),
    (nn.LeakyReLU(), (1, 6, 8, 10), 6 * 8 * 10),
    (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 6, 8, 10), 11 * 6 * 16 * 20),
    (nn.Upsample(scale_factor=2), (1, 6, 8, 10), 0),
    (nn.Sequential(nn.ReLU(), nn.PReLU(), nn.Sigmoid()), (1, 6, 8, 10), 0),
]


@pytest.mark.parametrize(("layer", "shape", "macs"), THOP, ids=lambda value: type(value).__name__)
def test_the_papers_accounting_counts_a_layer_as_thop_does(layer, shape, macs):
    x = torch.zeros(shape)
    assert complexity.count(layer.eval(), lambda: layer(x))["gmacs_paper"] == pytest.approx(macs / 1e9, rel=1e-12)


def test_costs_hold_at_any_size():
    (cost,) = complexity.measure("dcad", 1, height=37, width=53)
    assert (cost["height"], cost["width"]) == (37, 53)
    # two convolutions between 1 and 64 channels and eight of 64, 3x3 kernels
    assert cost["gmacs"] == pytest.approx(9 * (2 * 64 + 8 * 64**2) * 37 * 53 / 1e9, rel=1e-12)


def test_images_are_padded_as_the_network_needs():
    padded, whole = (complexity.measure("rbqe", 1, height, 64)[4] for height in (33, 64))
    assert padded == whole | {"height": 33}


def test_channels_that_a_network_does_not_take_are_refused():
    with pytest.raises(ValueError, match="rbqe-powerqe-v1 takes 3 channels, the images have 1"):
        complexity.measure("rbqe-powerqe-v1", 1)


def test_a_method_that_is_no_network_has_no_gmacs(survey, monkeypatch):
    assert "decoded" not in set(survey["method"])
    monkeypatch.setattr(plugins, "find", lambda folder, name: SimpleNamespace(load=lambda weights, device: nn.ReLU()))
    (cost,) = complexity.measure("filter", 1)
    assert (cost["params"], cost["params_used"]) == (0, 0)
    assert all(math.isnan(cost[column]) for column in ("gmacs", "gmacs_paper", "gmacs_so_far"))


def test_the_survey_has_every_network_once(survey):
    first = ["method", "exit", "channels", "height", "width", "params", "gmacs", "gmacs_paper", "gmacs_published"]
    assert list(survey.columns)[: len(first)] == first
    assert not survey.duplicated(["method", "form", "channels", "exit"]).any()
    found = set(zip(survey["method"], survey["form"], survey["channels"], strict=True))
    forms = {name: getattr(plugins.find("methods", name), "FORMS", {}) for name in plugins.names("methods")}
    assert {(name, key, each) for name in forms for key, form in forms[name].items() for each in form.channels} < found
    assert {("rbqe", "", 1), ("rbqe-powerqe-v1", "", 3), ("rbqe-powerqe-v3", "", 3)} < found


def test_the_commands_write_what_was_counted(survey, tmp_path, monkeypatch):
    main(["step", "complexity", "dcad", "--height", "64", "--width", "96", "-o", str(tmp_path / "dcad.csv")])
    written = pd.read_csv(tmp_path / "dcad.csv")
    assert written["gmacs"].to_list() == [cost["gmacs"] for cost in complexity.measure("dcad", 1, 64, 96)]

    monkeypatch.setattr(complexity, "survey", lambda height, width: survey.assign(height=height, width=width))
    main(["step", "survey", "--width", "96", "-o", str(tmp_path / "complexity.csv")])
    written = pd.read_csv(tmp_path / "complexity.csv", keep_default_na=False, na_values={"gmacs_published": ""})
    pd.testing.assert_frame_equal(written, survey.assign(width=96))
    assert all((tmp_path / f"complexity.{suffix}").read_text() for suffix in ("md", "tex"))


def results(costs: pd.DataFrame) -> Results:
    nothing = pd.DataFrame()
    return Results(nothing, costs, nothing, {}, [], "")


def test_the_figure_shows_the_networks_of_the_paper_with_both_numbers(survey):
    (panel,) = figure.draw(results(survey)).axes
    names = ["RBQE, early exit", *(f"RBQE, exit {exit}" for exit in range(1, 6)), "DCAD", "QE-CNN", "CBDNet", "DnCNN"]
    assert [label.get_text() for label in panel.get_yticklabels()] == names
    assert [bar.get_width() for bar in panel.patches] == [paper for *_, paper, _, _ in PAPER]
    averages, published = panel.get_lines()
    assert list(averages.get_xdata()) == [17.9, 22.3, 25.5, 27.2, 27.5]  # Fig. 5a, QP 22 to 42
    assert list(published.get_xdata()) == [value for _, _, value, *_ in PAPER]
    plt.close("all")


def test_the_figure_needs_no_measurements(survey, tmp_path):
    survey.to_csv(tmp_path / "complexity.csv", index=False)
    main(
        [
            "step",
            "figure",
            "complexity",
            "--complexity",
            str(tmp_path / "complexity.csv"),
            "-o",
            str(tmp_path / "f.pdf"),
        ]
    )
    assert {path.name for path in Path(tmp_path).iterdir()} == {"complexity.csv", "f.pdf", "f.png", "f.provenance.json"}
    plt.close("all")


def test_the_figure_says_what_it_lacks(survey):
    with pytest.raises(ValueError, match="needs a network of the RBQE paper, one channel, 512x512"):
        figure.draw(results(survey[survey["method"] == "arcnn"]))


def test_a_figure_of_gains_asks_for_measurements(survey, tmp_path):
    survey.to_csv(tmp_path / "complexity.csv", index=False)
    for name in plugins.names("benchmarks/figures"):
        if name != "complexity":
            with pytest.raises(SystemExit, match="error: "):
                main(
                    [
                        "step",
                        "figure",
                        name,
                        "--complexity",
                        str(tmp_path / "complexity.csv"),
                        "-o",
                        str(tmp_path / "f.pdf"),
                    ]
                )
    assert not (tmp_path / "f.pdf").exists()


def test_a_method_without_gmacs_is_in_the_table_but_not_in_the_figure_of_gain_over_cost():
    psnrs = {"decoded": 30.0, "spp": 30.5, "dcad": 31.0}
    rows = [("set", "a", "jpeg", 10, name, "", 1, "psnr_unrounded", psnr) for name, psnr in psnrs.items()]
    rows += [("set", "a", "jpeg", 10, name, "", 1, metric, 0.9) for name in psnrs for metric in ("ssim", "iqam")]
    costs = [cost for name in psnrs for cost in complexity.measure(name, 1)]
    timed = {"exit": 1, "early_exit": False, "median_ms": 1.0, "device": "a processor", "threads": 2}
    latency = pd.DataFrame([{"method": name} | timed for name in psnrs])
    measured = pd.DataFrame(rows, columns=COLUMNS)
    everything = Results(measured, pd.DataFrame(costs), latency, {"jpeg": 1.0}, list(psnrs), "luma")
    table = table2.tabulate(everything).set_index("method")
    assert table["delta_psnr_jpeg"].to_dict() == {"decoded": 0.0, "spp": 0.5, "dcad": 1.0}
    assert table["gmacs"].isna().to_dict() == {"decoded": False, "spp": True, "dcad": False}
    (panel,) = gain_over_cost.draw(everything).axes
    assert panel.get_legend_handles_labels()[1] == ["DCAD"]
    plt.close("all")


def test_costs_are_placed_among_whole_networks_of_equally_many_channels():
    frame = pd.DataFrame(PAPER, columns=["method", "exit", "published", "gmacs_paper", "gmacs", "params"])
    frame = frame.assign(form="paper", channels=1, height=512, width=512)
    frame = pd.concat([frame, frame[:5].assign(channels=3)], ignore_index=True)
    places = complexity.places(frame)
    assert list(places.loc[4:8, "gmacs"]) == [1, 2, 3, 4, 5]  # of rbqe its last exit
    assert list(places.loc[4:8, "params"]) == [2, 1, 3, 5, 4]
    assert places.index.min() == 4
    assert (places.loc[9:] == 0).all(axis=None)  # alone with three channels
