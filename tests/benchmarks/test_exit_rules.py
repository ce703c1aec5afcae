"""Exit rules: each decides from what is known so far, and the null test is arithmetic that a hand can follow."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from benchmarks.studies import card_exits, exit_cost
from benchmarks.tables import exit_rules as table
from compressors import jpeg
from qebench import config, library
from qebench.common import files, plugins
from qebench.evaluation import null_test, published_exits, threshold_search
from qebench.evaluation.exit_cases import Cases
from qebench.networks import catalogue, loading, multi_exit, own_pictures, pixels, rules, tiling
from qebench.networks.network import Network
from qebench.networks.rules import Evidence, follow

NAMES = plugins.names("benchmarks/exit_rules")
COST = np.array([10.2, 14.7, 18.7, 22.9, 27.6])  # RBQE, ECCV 2020, Fig. 6b
HEAD = 0.1


def rule(name: str):
    return plugins.find("benchmarks/exit_rules", name)


def cases(seed: int, pictures: int = 12, exits: int = 5) -> Cases:
    """Return made-up cases: five qualities of some pictures, whose scores say a little about their gains."""
    rng, count = np.random.default_rng(seed), 5 * pictures
    quality = np.tile([22.0, 27, 32, 37, 42], pictures)
    steps = rng.exponential(0.05, (count, exits)) * quality[:, None] / 30 - 0.005
    gains = 0.3 + steps.cumsum(axis=1)
    scores = (0.9 - steps + 0.03 * rng.normal(size=(count, exits))).clip(0, 1)
    change = steps**2 * rng.lognormal(size=(count, exits)) * 100
    evidence = Evidence(exits, scores, change, quality, 10 / quality, rng.random(count), gains)
    alone = COST[:exits]
    costs = {"gmacs": (alone, alone + HEAD * np.arange(exits)), "gmacs_paper": (alone, alone)}
    return Cases(np.repeat([f"p{n}" for n in range(pictures)], 5), evidence, gains, costs)


def chosen(name: str, made: Cases):
    """Return some settings of a rule for cases."""
    found = rule(name).candidates(made.evidence, made.gains, made.cost)
    return found[len(found) // 2]


@pytest.mark.parametrize("name", NAMES)
def test_settings_survive_json(name):
    made = cases(0)
    found = rule(name).candidates(made.evidence, made.gains, made.cost)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_has_as_many_candidates_on_any_pictures(name):
    counts = {len(rule(name).candidates(made.evidence, made.gains, made.cost)) for made in map(cases, range(3))}
    assert len(counts) == 1


@pytest.mark.parametrize("name", NAMES)
def test_one_image_takes_the_exit_that_it_takes_among_others(name):
    made = cases(1)
    setting = chosen(name, made)
    together, _ = follow(rule(name), setting, made.evidence)
    alone = [follow(rule(name), setting, made.evidence.of(np.array([n])))[0][0] for n in range(len(together))]
    assert together.tolist() == alone


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_sees_nothing_of_later_exits(name):
    """Whatever the later exits hold, an image that left before leaves there again."""
    made, other = cases(2), cases(3)
    setting = chosen(name, made)
    exits, _ = follow(rule(name), setting, made.evidence)
    for exit in range(1, 5):
        later = np.arange(5) >= exit
        mixed = {
            key: np.where(later, getattr(other.evidence, key), getattr(made.evidence, key))
            for key in ("scores", "change")
        }
        again, _ = follow(rule(name), setting, Evidence(**{**vars(made.evidence), **mixed}))
        assert again[exits <= exit].tolist() == exits[exits <= exit].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_uses_no_more_than_it_says(name):
    made = cases(4)
    setting = chosen(name, made)
    unknown = {
        key: np.full_like(getattr(made.evidence, key), np.nan)
        for key in ("scores", "change", "quality", "bpp", "draw", "gains")
        if key not in rule(name).USES
    }
    less = Evidence(**{**vars(made.evidence), **unknown})
    assert follow(rule(name), setting, less)[0].tolist() == follow(rule(name), setting, made.evidence)[0].tolist()


@pytest.mark.parametrize("name", ["forced", "coin", "quality", "oracle"])
def test_rules_that_know_their_exit_beforehand_compute_no_other(name):
    exits, visited = follow(rule(name), chosen(name, made := cases(5)), made.evidence)
    assert (visited.sum(axis=1) == 1).all()
    assert (visited.argmax(axis=1) + 1).tolist() == exits.tolist()


@pytest.mark.parametrize("name", ["iqam", "iqam_per_exit", "change", "learned"])
def test_rules_that_look_compute_every_exit_on_the_way(name):
    exits, visited = follow(rule(name), chosen(name, made := cases(5)), made.evidence)
    assert (visited == (np.arange(1, 6) <= exits[:, None])).all()


def test_an_image_stops_at_the_first_score_that_is_enough():
    scores = np.array([[0.8, 0.1, 0.9], [0.7, 0.8, 0.0], [0.1, 0.2, 0.9], [0.79, 0.79, 0.79]])
    unknown, nothing = np.full((4, 3), np.nan), np.full(4, np.nan)
    evidence = Evidence(3, scores, unknown, nothing, nothing, nothing, unknown)
    assert follow(rule("iqam"), 0.8, evidence)[0].tolist() == [1, 2, 3, 3]
    assert follow(rule("iqam_per_exit"), [0.9, 0.1], evidence)[0].tolist() == [2, 2, 2, 2]
    with pytest.raises(ValueError, match="are 1 limits for 3 exits"):
        follow(rule("iqam_per_exit"), [0.9], evidence)


def test_change_is_the_psnr_between_exits():
    """One gray level of mean squared change is 48.13 dB."""
    unknown, nothing = np.full((2, 2), np.nan), np.full(2, np.nan)
    evidence = Evidence(2, unknown, np.array([[1.0, 1], [2, 1]]), nothing, nothing, nothing, unknown)
    assert rule("change").likeness(evidence)[0] == pytest.approx([48.13, 48.13], abs=5e-3)
    assert follow(rule("change"), [48.0], evidence)[0].tolist() == [1, 2]


def test_a_change_of_two_levels_in_half_of_the_pixels_is_two_squared_levels():
    before = torch.full((2, 1, 4, 6), 0.25)
    images = before.clone()
    images[1, :, :2] += 2 / 255
    assert multi_exit.change(images, before).tolist() == pytest.approx([0, 2], abs=1e-5)


def test_the_nearest_quality_decides_and_an_unknown_one_goes_on():
    unknown, quality = np.full((4, 5), np.nan), np.array([22.0, 30, 51, np.nan])
    evidence = Evidence(5, unknown, unknown, quality, quality, quality, unknown)
    exits, _ = follow(rule("quality"), [[22, 1], [27, 3], [32, 4], [42, 2]], evidence)
    assert exits.tolist() == [1, 4, 2, 5]


def test_a_coin_falls_on_its_shares():
    made = cases(6, pictures=400)
    shares = np.bincount(follow(rule("coin"), [0.0, 0.25, 0.75, 0.0, 0.0], made.evidence)[0], minlength=6)[1:] / 2000
    assert shares == pytest.approx([0, 0.25, 0.75, 0, 0], abs=0.04)  # four standard deviations


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_the_search_finds_the_best_thresholds_of_the_grid(seed, exits):
    """Every tuple of a small grid is tried one by one."""
    made, grid = cases(seed, 4, exits), np.linspace(0.7, 1, 5)
    found = threshold_search.search(made.evidence.scores, made.gains, made.cost, grid)
    looking = rule("iqam_per_exit")
    tuples = [list(each) for each in itertools.product(grid, repeat=exits - 1)]
    exit_of = np.array([follow(looking, each, made.evidence)[0] for each in tuples]) - 1
    for price, limits in zip(rules.PRICES[::10], found[::10], strict=True):
        worth = made.gains - price * made.cost
        best = np.take_along_axis(worth[None], exit_of[..., None], axis=2).mean(axis=(1, 2)).max()
        own = worth[np.arange(len(worth)), follow(looking, limits, made.evidence)[0] - 1].mean()
        assert own == pytest.approx(best, abs=1e-6)  # sums are of float32


def test_networks_of_many_exits_get_a_coarser_grid():
    assert len(threshold_search._parting(np.linspace(0, 1, 500), rule("iqam_per_exit").GRID, 4)[0]) == 51
    assert len(threshold_search._parting(np.linspace(0, 1, 500), rule("iqam_per_exit").GRID, 6)[0]) == 13


def test_a_target_between_two_points_costs_their_mix():
    spent, gains = np.array([10.0, 20, 30]), np.array([0.2, 0.3, 0.5])
    assert null_test.needed(spent, gains, 0.4) == pytest.approx(10 + 20 * 2 / 3)  # the middle lies under the line
    assert null_test.needed(spent, gains, 0.1) == 10
    assert np.isnan(null_test.needed(spent, gains, 0.6))
    assert null_test.reached(spent, gains, 20) == pytest.approx(0.35)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_the_coin_lies_on_the_line_between_forced_exits(seed):
    made = cases(seed)
    coin, means = null_test.judge(rule("coin"), made)[0], made.gains.mean(axis=0)
    spent, gains = coin.spent["gmacs_paper"].mean(axis=1), coin.gains.mean(axis=1)
    assert gains == pytest.approx(np.interp(spent, COST, means), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_beats_the_oracle_at_equal_cost(name):
    """The oracle's curve touches a line at every price, and no point of another rule lies above that line."""
    made = cases(9, 4)
    bound = worth(null_test.judge(rule("oracle"), made)[0])
    for outcome in null_test.judge(rule(name), made):
        assert (worth(outcome).max(axis=1) <= bound.max(axis=1) + 1e-12).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_beats_the_oracle_on_the_demo(name, demo):
    """Calibrated rules are judged on what calibrated them, which flatters them, and still do not."""
    bound = worth(null_test.judge(rule("oracle"), demo)[0]).max(axis=1)
    for outcome in null_test.judge(rule(name), demo, demo):
        assert (worth(outcome).max(axis=1) <= bound + 1e-12).all()


def test_the_coin_lies_on_the_line_between_forced_exits_on_the_demo(demo):
    coin = null_test.judge(rule("coin"), demo)[0]
    spent, gains = coin.spent["gmacs_paper"].mean(axis=1), coin.gains.mean(axis=1)
    assert gains == pytest.approx(np.interp(spent, demo.cost, demo.gains.mean(axis=0)), abs=1e-9)


def worth(outcome: null_test.Outcome) -> np.ndarray:
    """Return the mean gain less price times cost, (prices, settings)."""
    return outcome.gains.mean(axis=1) - rules.PRICES[:, None] * outcome.spent["gmacs_paper"].mean(axis=1)


def test_stopping_costs_the_heads_on_the_way_and_a_direct_exit_none():
    made = cases(7)
    played = null_test.play(rule("iqam"), [0.0, 2.0], made)
    assert played.spent["gmacs"][:, 0] == pytest.approx([COST[0], COST[4] + 4 * HEAD])
    assert null_test.play(rule("forced"), [5], made).spent["gmacs"][0, 0] == COST[4]


def test_a_calibrated_rule_is_judged_by_others_pictures():
    """A rule that remembers its calibration pictures is perfect on them and knows nothing of others."""

    class Memory:
        USES, CALIBRATED = ("bpp",), True

        @staticmethod
        def candidates(evidence, gains, cost):
            return [dict(zip(evidence.bpp.tolist(), (1 + gains.argmax(axis=1)).tolist(), strict=True))]

        @staticmethod
        def choose(evidence, settings):
            return np.array([settings.get(bpp, 1) for bpp in evidence.bpp.tolist()])

    made = cases(8)
    named = null_test.replace(made, evidence=null_test.replace(made.evidence, bpp=np.arange(60.0)))
    assert null_test.judge(Memory(), named)[0].gains[0].tolist() == made.gains[:, 0].tolist()
    assert null_test.judge(Memory(), named, named)[0].gains[0].tolist() == made.gains.max(axis=1).tolist()


def test_the_papers_points_lie_under_the_line_of_its_forced_exits():
    """RBQE, ECCV 2020, Fig. 6a less the line through Fig. 6b, worked out by hand from the points."""
    made = published_exits.cases()
    assert made.gains.mean(axis=0) == pytest.approx([0.408, 0.472, 0.504, 0.514, 0.518])
    sweep = published_exits.sweep(made)
    above = [
        gain - np.interp(cost, made.cost, made.gains.mean(axis=0))
        for cost, gain in zip(sweep.spent["gmacs_paper"][:, 0], sweep.gains[:, 0], strict=True)
    ]
    assert above == pytest.approx([-0.008, 0.005, -0.012, -0.022, -0.021, -0.005, -0.005, 0.002], abs=5e-4)


def test_the_papers_exit_by_qp_costs_less_than_its_early_exit():
    """Exits 1, 3, 3, 4, 4 for QP 22 to 42 give .510 dB at 18.7 GMACs, early exit .510 at 24.1."""
    made = published_exits.cases()
    fixed = [[22.0, 1], [27.0, 3], [32.0, 3], [37.0, 4], [42.0, 4]]
    played = null_test.play(rule("quality"), [fixed], made)
    assert played.gains.mean() == pytest.approx(0.510)
    assert played.spent["gmacs_paper"].mean() == pytest.approx(18.68)
    used = published_exits.in_use(published_exits.sweep(made))
    assert (used.gains.mean(), used.spent["gmacs_paper"].mean()) == pytest.approx((0.510, 24.1))


@pytest.fixture(scope="module")
def demo() -> Cases:
    """Return what RBQE's weights for JPEG do to the demo: 8 pictures at five qualities, as a run measured it."""
    rows = pd.read_csv(Path(__file__).parents[1] / "golden/exits_jpeg_demo.csv")
    wide = rows.pivot(index=["image", "quality"], columns="exit")
    gains, quality = wide["delta_psnr"].to_numpy(), wide.index.get_level_values("quality").to_numpy(float)
    bpp, draw = wide["bpp"][1].to_numpy(), np.full(len(wide), np.nan)
    evidence = Evidence(5, wide["iqam"].to_numpy(), wide["change"].to_numpy(), quality, bpp, draw, gains)
    cost = np.array([10.2386, 14.6730, 18.6694, 22.9170, 27.5769])
    return Cases(wide.index.get_level_values("image").to_numpy(), evidence, gains, {"gmacs_paper": (cost, cost)})


@pytest.mark.parametrize(
    ("name", "shares"), [("coin", [0.950, 0.900, 0.820, 0.719]), ("oracle", [0.876, 0.840, 0.787, 0.673])]
)
def test_the_demo_needs_the_cost_that_another_program_found(demo, name, shares):
    """Shares of the last exit's cost within .005, .01, .02 and .05 dB, by code and prices apart from ours."""
    curve = null_test.judge(rule(name), demo)[0]
    found = [null_test.share(curve, demo, within=within) for within in null_test.WITHIN]
    assert found == pytest.approx(shares, abs=0.0011)  # two envelopes of other prices, and the third digit


def test_the_papers_rule_costs_more_than_a_coin_on_the_demo(demo):
    """Another program found .953 of the last exit's cost within .01 dB, where the coin needs .900."""
    curve, coin = (null_test.judge(rule(name), demo)[0] for name in ("iqam", "coin"))
    assert null_test.share(curve, demo) == pytest.approx(0.953, abs=0.0011)
    low, high = null_test.interval(curve, coin, demo)
    assert 0 < low < 0.953 - 0.900 < high


@pytest.fixture(scope="module")
def network() -> Network:
    return loading.load("rbqe", catalogue.WEIGHTS / "rbqe-luma-jpeg.safetensors", "cpu")


@pytest.fixture(scope="module")
def measured(network) -> tuple[list[np.ndarray], Evidence]:
    """Return small decoded pictures of several qualities, and the evidence of all of their exits."""
    camera, pictures, quality = data.camera(), [], [10, 20, 30, 40, 50] * 2
    for number, qf in enumerate(quality):
        top, left = [(0, 400), (64, 200), (440, 20), (200, 130)][number % 4]
        pictures.append(jpeg.decode(jpeg.encode(camera[top : top + 64, left : left + 64], qf)))
    scores, change = [], []
    for picture in pictures:
        decoded = pixels.to_tensor([picture], "cpu")
        exits = [decoded, *tiling.enhance(network, decoded)]
        scores.append([float(multi_exit.score(exit, 8)) for exit in exits[1:]])
        change.append([float(multi_exit.change(exit, before)) for before, exit in itertools.pairwise(exits)])
    gains, nothing = np.random.default_rng(0).normal(size=(len(pictures), 5)), np.full(len(pictures), np.nan)
    bpp = np.geomspace(0.2, 2, len(pictures))
    return pictures, Evidence(5, np.array(scores), np.array(change), np.array(quality, float), bpp, nothing, gains)


@pytest.mark.parametrize("name", ["forced", "iqam", "iqam_per_exit", "quality", "change", "learned"])
def test_pictures_really_stop_where_the_table_says(name, network, measured):
    pictures, known = measured
    tried = rule(name).candidates(known, known.gains, COST)
    tried = [tried[place] for place in np.linspace(0, len(tried) - 1, 4).astype(int)]
    seen = set()
    for setting in tried:
        expected, _ = follow(rule(name), setting, known)
        for picture, quality, bpp, exit in zip(pictures, known.quality, known.bpp, expected, strict=True):
            running = multi_exit.Rule(8, setting, name=name, quality=quality, bpp=bpp)
            assert multi_exit.stop(network, pixels.to_tensor([picture], "cpu"), running).exit == exit
        seen |= set(expected.tolist())
    assert len(seen) > 1  # else this shows little


@pytest.mark.parametrize(("name", "setting"), [("quality", [[10, 2], [50, 4]]), ("forced", 4)])
def test_an_exit_that_is_known_beforehand_needs_one_head(name, setting, network, measured):
    picture, called = measured[0][0], []
    handles = [
        head.register_forward_hook(lambda *_, exit=exit: called.append(exit))
        for exit, head in enumerate(network.module.OutConv, start=1)
    ]
    running = multi_exit.Rule(8, setting, name=name, quality=45.0)
    assert multi_exit.stop(network, pixels.to_tensor([picture], "cpu"), running).exit == 4
    result = own_pictures.enhance(network, picture, running, None, "cpu")
    for handle in handles:
        handle.remove()
    assert (result.exit, result.scores, called) == (4, [], [4, 4])


@pytest.mark.parametrize("compressor", ["jpeg", "hevc"])
def test_a_rule_that_always_goes_on_is_asked_and_takes_the_last_exit(compressor, network, measured):
    """This is how the study exit-cost times a picture that no exit is good enough for."""
    x = pixels.to_tensor([measured[0][0]], "cpu")
    asked = exit_cost.staying_rules("rbqe", compressor)
    assert {each.name for each in asked} == {"iqam", *rules.shipped("rbqe", compressor)}
    assert [multi_exit.stop(network, x, each).exit for each in asked] == [5] * len(asked)


def test_settings_ship_for_the_configured_rules():
    for name, entry in config.default()["compressors"].items():
        shipped = rules.shipped("rbqe", name)
        assert entry["exit_rule"] in shipped
        assert {other for other in NAMES if rule(other).CALIBRATED} == set(shipped)


def test_a_card_tells_whether_exit_by_quality_pays(tmp_path):
    """Of two qualities each has its own best exit: together these have 0.3 dB at the mean cost of both exits."""
    card = tmp_path / "card.md"
    card.write_text(
        "| quality | exit 1 | exit 2 |\n|---|---|---|\n| 22 | +0.400 | +0.300 |\n| 27 | +0.100 | +0.200 |\n"
    )
    cases = card_exits.read(card, np.array([10.0, 20.0]))
    (_, _, *coin), (_, _, *quality) = card_exits.judge(card, cases, [0.3])
    assert coin == pytest.approx([0.25, 0.25, 0.5, np.nan], nan_ok=True)  # exit 1 alone has 0.25 dB, too
    assert quality == pytest.approx([0.25, 0.3, 0.5, 0.75])
    card.write_text("no table")
    with pytest.raises(ValueError, match="has no gains of 2 exits at each quality"):
        card_exits.read(card, np.array([10.0, 20.0]))


@pytest.mark.parametrize("compressor", ["jpeg", "hevc"])
def test_no_test_picture_calibrates_what_ships(compressor):
    path = plugins.ROOT / rules.FOLDER / "settings" / f"rbqe-{compressor}.json"
    origin = json.loads(path.read_text(encoding="utf-8"))["calibrated_on"]
    assert {name.split("/")[0] for name in origin["pictures"]} == {origin["dataset"]} == {"cid22"}
    assert origin["count"] == len(set(origin["pictures"]))
    assert origin["weights"]["sha256"] == files.sha256(plugins.ROOT / origin["weights"]["file"])
    assert rules.calibrated_on("rbqe", compressor) == f"cid22 ({origin['count']})"


def test_the_table_has_every_rule_as_it_ships(demo):
    coin = null_test.judge(rule("coin"), demo)[0]
    rows = [*table._shipped(demo, coin, "rbqe", "jpeg", 0.78, {"quality": 0.9})]
    named = {row["rule"].split(", as")[0]: row for row in rows}
    ships = rules.shipped("rbqe", "jpeg")
    assert set(named) == {"iqam 0.78", *ships}
    exits = [dict(ships["quality"])[quality] for quality in demo.evidence.quality]
    cost = np.mean([demo.cost[int(exit) - 1] for exit in exits])
    gain = np.mean([gains[int(exit) - 1] for gains, exit in zip(demo.gains, exits, strict=True)])
    assert named["quality"]["share"] == pytest.approx(cost / demo.cost[-1], abs=5e-4)
    assert named["quality"]["to_last"] == pytest.approx(gain - demo.gains[:, -1].mean(), abs=5e-5)
    assert named["quality"]["timed"] == 0.9
    assert named["quality"]["calibrated_on"] == rules.calibrated_on("rbqe", "jpeg")


def test_the_shipped_rule_stops_a_picture_by_its_quality(measured):
    trained = library.load("rbqe", "jpeg")
    assert trained.rule.name == config.default()["compressors"]["jpeg"]["exit_rule"] == "quality"
    exits = dict(trained.rule.settings)
    assert library.enhance(measured[0][0], trained, quality=10).exit == exits[10]
    assert library.enhance(measured[0][0], trained).exit == 5  # nothing is known of it
    assert library.load("rbqe", "jpeg", rule="iqam").rule.settings == 0.78
    with pytest.raises(ValueError, match="no settings of the exit rule oracle ship for rbqe and jpeg: take iqam, "):
        library.load("rbqe", "jpeg", rule="oracle")
    with pytest.raises(ValueError, match="there is no 'coins' in benchmarks/exit_rules/"):
        library.load("rbqe", "jpeg", rule="coins")


@pytest.mark.parametrize("name", ["change", "learned"])
def test_own_pictures_stop_where_the_table_says(name, network, measured):
    pictures, known = measured
    tried = rule(name).candidates(known, known.gains, COST)
    setting = tried[len(tried) // 2]
    expected, _ = follow(rule(name), setting, known)
    for picture, quality, bpp, exit in zip(pictures, known.quality, known.bpp, expected, strict=True):
        running = multi_exit.Rule(8, setting, name=name, quality=quality, bpp=bpp)
        assert own_pictures.enhance(network, picture, running, None, "cpu").exit == exit
