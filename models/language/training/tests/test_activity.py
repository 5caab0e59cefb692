"""Thresholds that follow an activity target."""

from __future__ import annotations

import torch

from egru_lm.config import Activity
from egru_lm.kernels import choose
from egru_lm.network import follow_targets
from egru_lm.trainer import Trainer
from tests import support


def test_thresholds_move_together_and_not_below_zero() -> None:
    theta = [torch.tensor([0.1, 0.3]), torch.tensor([0.2]), torch.tensor([0.01, 0.2])]
    activity = Activity((0.2, 0.2, 0.2), (), threshold_rate=(0.5, 0.0, 0.5))
    active = torch.tensor([0.6, 0.9, 0.1])
    follow_targets(theta, active, activity, torch.tensor(1.0))
    torch.testing.assert_close(theta[0], torch.tensor([0.3, 0.5]))  # + 0.5 (0.6 - 0.2)
    torch.testing.assert_close(theta[1], torch.tensor([0.2]))
    torch.testing.assert_close(theta[2], torch.tensor([0.0, 0.15]))  # 0.5 (0.1 - 0.2), cut at 0


def test_nothing_moves_before_the_beginning_or_without_rates() -> None:
    for activity, switch in (
        (Activity((0.2,), (), threshold_rate=(0.5,)), 0.0),
        (Activity((0.2,), (1.0,)), 1.0),
        (Activity(), 1.0),
    ):
        theta = [torch.tensor([0.1, 0.3])]
        follow_targets(theta, torch.tensor([0.6]), activity, torch.tensor(switch))
        assert torch.equal(theta[0], torch.tensor([0.1, 0.3]))


def test_training_reaches_the_target_of_one_layer() -> None:
    """Layer 3 alone is held at a fifth; without a rate the same training leaves it well above."""
    ends = {}
    for rate in (0.0, 0.05):
        run = support.run(
            train={"updates": 400, "rate": 0.01},
            activity={
                "target": [1.0, 1.0, 0.2],
                "strength": [0.0, 0.0, 0.0],
                "threshold_rate": [0.0, 0.0, rate],
            },
        )
        trainer = Trainer(run, support.state(run), support.tokens(), choose(torch.device("cpu")))
        for _ in range(300):
            trainer.step()
        trainer.averages()
        for _ in range(100):
            trainer.step()
        ends[rate] = trainer.averages()["active"][2]
    assert abs(ends[0.05] - 0.2) < 0.03
    assert ends[0.0] > 0.3
