"""The demo: its losses against loops over single images, its training in small and in full."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad
from ad_compiler.demo import models, run

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

from ad_compiler.demo.digits import Digits, load_train_and_test
from ad_compiler.demo.experiments import Experiment, experiments
from ad_compiler.demo.training import flatten, unflatten

EXPERIMENTS = experiments()
NAMES = [experiment.name for experiment in EXPERIMENTS]


@pytest.fixture(scope="module")
def few_digits() -> Digits:
    training, _ = load_train_and_test()
    return Digits(training.images[:60], training.labels[:60])


def random_params(experiment: Experiment) -> Any:
    """Parameters with no zeros in them, so that every term of a loss counts."""
    start = flatten(experiment.start)
    return unflatten(np.random.default_rng(1).normal(scale=0.3, size=start.size), experiment.start)


def cross_entropy(scores: np.ndarray, label: int) -> float:
    return math.log(sum(math.exp(score) for score in scores)) - float(scores[label])


def hinge_by_loops(W: Any, X: Any, y: Any, regularisation: float) -> float:
    total = 0.0
    for row, label in zip(X, y, strict=True):
        scores = [float(row @ column) for column in W.T]
        total += sum(
            max(0.0, score - scores[label] + 1.0) for wrong, score in enumerate(scores) if wrong != label
        )
    return total / len(y) + regularisation * float(W.ravel() @ W.ravel())


def softmax_net_by_loops(params: Any, X: Any, y: Any, regularisation: float) -> float:
    total = 0.0
    for row, label in zip(X, y, strict=True):
        hidden = row @ params.hidden_weights + params.hidden_bias
        hidden = np.array([max(0.0, unit) for unit in hidden])
        total += cross_entropy(hidden @ params.output_weights + params.output_bias, label)
    weights = np.concatenate([params.hidden_weights.ravel(), params.output_weights.ravel()])
    return total / len(y) + regularisation * float(weights @ weights)


def conv_net_by_loops(params: Any, images: Any, y: Any, regularisation: float) -> float:
    total = 0.0
    for image, label in zip(images, y, strict=True):
        features = np.empty((6, 6, len(params.filter_bias)))
        for i, j, k in np.ndindex(features.shape):
            window = image[i : i + 3, j : j + 3]
            response = np.sum(window * params.filters[:, :, k]) + params.filter_bias[k]
            features[i, j, k] = max(0.0, response)
        pooled = np.array(
            [
                features[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, k].max()
                for i, j, k in np.ndindex(3, 3, features.shape[2])
            ]
        )
        total += cross_entropy(pooled @ params.output_weights + params.output_bias, label)
    weights = np.concatenate([params.filters.ravel(), params.output_weights.ravel()])
    return total / len(y) + regularisation * float(weights @ weights)


BY_LOOPS = {
    models.hinge_loss: hinge_by_loops,
    models.softmax_net_loss: softmax_net_by_loops,
    models.conv_net_loss: conv_net_by_loops,
}


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=NAMES)
def test_loss_is_what_loops_compute(experiment: Experiment, few_digits: Digits) -> None:
    params, data = random_params(experiment), experiment.data(few_digits)
    expected = BY_LOOPS[experiment.loss](params, *data)
    value, _ = value_and_grad(experiment.loss)(params, *data)
    assert experiment.loss(params, *data) == pytest.approx(expected, rel=1e-12)
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=NAMES)
def test_gradient_is_the_slope_of_the_loss(experiment: Experiment, few_digits: Digits) -> None:
    params, data = random_params(experiment), experiment.data(few_digits)
    _, gradient = value_and_grad(experiment.loss)(params, *data)
    assert type(gradient) is type(params)

    point = flatten(params)
    for seed in range(3):
        step = 1e-7 * np.random.default_rng(seed).normal(size=point.size)
        above = experiment.loss(unflatten(point + step, params), *data)
        below = experiment.loss(unflatten(point - step, params), *data)
        assert flatten(gradient) @ step == pytest.approx((above - below) / 2, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=NAMES)
def test_few_iterations_lower_the_loss(experiment: Experiment, few_digits: Digits) -> None:
    before = experiment.loss(experiment.start, *experiment.data(few_digits))
    trained = dataclasses.replace(experiment, max_iterations=8).train(few_digits)
    assert 1 <= trained.iterations <= 8
    assert trained.loss < before / 2
    assert trained.loss == experiment.loss(trained.params, *experiment.data(few_digits))
    assert experiment.accuracy(trained.params, few_digits) > 0.8


def test_flatten_and_unflatten_are_inverse() -> None:
    for experiment in EXPERIMENTS:
        params = random_params(experiment)
        again = unflatten(flatten(params), params)
        assert type(again) is type(params)
        for array, copy in zip(params, again, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_digits_are_split_without_overlap_and_always_alike() -> None:
    training, test = load_train_and_test()
    assert training.images.shape == (1437, 8, 8)
    assert test.images.shape == (360, 8, 8)
    assert training.images.min() == 0.0
    assert training.images.max() == 1.0
    seen = {image.tobytes() for image in training.images}
    assert not any(image.tobytes() in seen for image in test.images)
    np.testing.assert_array_equal(np.unique(test.labels), np.arange(10))
    np.testing.assert_array_equal(load_train_and_test()[1].images, test.images)


def test_circuits_print_their_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    run.show_circuits()
    printed = capsys.readouterr().out
    for line in ("value = -12", "d/dx = -4", "d/dy = -4", "d/dz = 3"):
        assert line in printed.splitlines()
    for line in (
        "value = 0.731059",
        "d/dw0 = -0.196612",
        "d/dw1 = -0.393224",
        "d/dw2 = 0.196612",
        "d/dx0 = 0.393224",
        "d/dx1 = -0.589836",
    ):
        assert line in printed.splitlines()
    assert printed.count("def ") >= 2


def test_missing_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert run.main() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "scikit-learn" in captured.err
    assert "pip install" in captured.err


def test_a_classifier_that_falls_short_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    untrained = tuple(dataclasses.replace(experiment, max_iterations=1) for experiment in EXPERIMENTS)
    monkeypatch.setattr("ad_compiler.demo.experiments.experiments", lambda: untrained)
    assert run.train_classifiers() == 1
    assert "1 iterations" in capsys.readouterr().out


@pytest.mark.slow
def test_whole_demo_reaches_its_accuracies(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main() == 0
    printed = capsys.readouterr().out
    assert "def " in printed
    for name in NAMES:
        assert f"{name}:" in printed
    assert [experiment.required_accuracy for experiment in EXPERIMENTS] == [0.93, 0.96, 0.97]
