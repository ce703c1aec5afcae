"""Intervals and tests give what textbooks and arithmetic give, the same in every run."""

import math

import numpy as np
import pytest

from qebench.evaluation import statistics


def test_the_interval_of_many_normal_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(loc=0.5, scale=0.2, size=400)
    low, high = statistics.interval(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    # the bootstrap's own error with 9,999 resamples: some per cent of the width
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_an_interval_is_the_same_twice() -> None:
    values = np.random.default_rng(2).exponential(size=8)
    assert statistics.interval(values) == statistics.interval(values)


def test_equal_values_have_no_width_and_one_value_has_no_interval() -> None:
    assert statistics.interval(np.full(5, 0.25)) == (0.25, 0.25)
    assert all(math.isnan(bound) for bound in statistics.interval(np.array([0.25])))


def test_wilcoxons_p_value_is_exact_for_few_images() -> None:
    # All 8 differences of one sign: 2 of the 2^8 assignments of signs are as extreme.
    assert statistics.p_value(np.arange(1.0, 9.0)) == pytest.approx(2 / 2**8)
    # One negative difference, the smallest: ranks sum to 1 on that side; 4 of 2^8 are as extreme.
    assert statistics.p_value(np.array([-1.0, 2, 3, 4, 5, 6, 7, 8])) == pytest.approx(4 / 2**8)


def test_methods_that_never_differ_have_p_1_and_one_image_has_none() -> None:
    assert statistics.p_value(np.zeros(8)) == 1
    assert math.isnan(statistics.p_value(np.array([0.3])))


def test_places_are_as_sure_as_the_difference_is() -> None:
    sure = np.array([[2.0, 1.0, 1.0], [3.0, 2.0, 2.0], [2.5, 1.0, 1.0]])
    assert statistics.place_intervals(sure).tolist() == [[1, 1], [2, 2], [2, 2]]  # equal means share a place
    # better by 1 on one image of two, worse by 0.9 on the other: a resample of the one or of the other is as likely
    assert statistics.place_intervals(np.array([[1.0, 0.0], [0.0, 0.9]])).tolist() == [[1, 2], [1, 2]]


def test_place_intervals_are_those_of_single_resamples(monkeypatch) -> None:
    values = np.random.default_rng(3).normal(loc=[0, 0.1, 0.5, 2], size=(12, 4))
    found = statistics.place_intervals(values)
    rng = np.random.default_rng(4)
    draws = [values[rng.integers(0, 12, 12)].mean(axis=0) for _ in range(4000)]
    places = np.array([1 + (mean[None] > mean[:, None]).sum(axis=1) for mean in draws])
    ends = np.percentile(places, [2.5, 97.5], axis=0)
    assert np.abs(found - ends.T).max() <= 1  # a place at the border of 2.5 % may fall either way
    monkeypatch.setattr(statistics, "MEMORY", 100)
    assert statistics.place_intervals(values).tolist() == found.tolist()


def test_holm_corrects_as_in_his_example() -> None:
    # Step-down by hand: 4 x 0.005, then 3 x 0.01, then 2 x 0.03, and 0.04 is not less than the one before
    corrected = statistics.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(np.array([0.9, 0.8])).tolist() == [1, 1]
