"""Distillation: gradient against autograd, and a run that resumes with its teacher."""

from __future__ import annotations

from pathlib import Path

import torch

from egru_lm.kernels import choose
from egru_lm.train import Session
from egru_lm.trainer import Trainer
from tests import support

CPU = torch.device("cpu")


def test_gradient_of_the_logits_matches_autograd() -> None:
    run = support.run(teacher={"run": "other", "weight": 0.7})
    student, teacher = support.state(run), support.state(run)
    generator = torch.Generator().manual_seed(9)
    teacher.flat.add_(0.3 * torch.randn(teacher.flat.shape, generator=generator).double())
    trainer = Trainer(run, student, support.tokens(), choose(CPU), teacher)
    network, inputs = trainer.network, trainer.stream.next()
    network.tokens.copy_(inputs[0])
    network.targets.copy_(inputs[1])
    assert trainer.teacher is not None
    logits = {}
    for name, one in (("student", network), ("teacher", trainer.teacher)):
        weights = one.compute_weights(trainer.rounding)
        one.forward(weights)
        positions = one.logits.shape[0]
        product = one.output.view(positions, -1) @ weights.embedding.t() + weights.decoder_bias
        logits[name] = product[:, : support.WORDS].detach().clone()
    words = network.targets.view(-1).long()
    targets = torch.nn.functional.one_hot(words, support.WORDS).double()
    wanted = 0.3 * targets + 0.7 * torch.softmax(logits["teacher"], dim=1)
    free = logits["student"].requires_grad_()
    (-(wanted * torch.log_softmax(free, dim=1)).sum(1).mean()).backward()

    network.score(network.compute_weights(trainer.rounding), 1.0 / positions)
    trainer._learn_from(trainer.teacher, 1.0 / positions)
    got = network.logits[:, : support.WORDS]
    assert float((got - free.grad).norm() / free.grad.norm()) < 1e-12


def test_resumes_with_its_teacher(tmp_path: Path) -> None:
    support.write_corpus(tmp_path / "text")
    text = {"data": {"corpus": "text"}}

    def session(out: str, **tables) -> Session:
        return Session(support.run(**text, **tables), tmp_path, tmp_path / out, CPU)

    tables = {
        "name": "pupil",
        "seed": 4,
        "train": {"updates": 20, "h_reset": 0.5},
        "teacher": {"run": "tiny", "weight": 0.5},
    }
    for out in ("whole", "parts", "alone"):
        teacher = session(out)
        for _ in range(5):
            teacher.trainer.step()
        teacher.save()
    whole = session("whole", **tables)
    for _ in range(20):
        whole.trainer.step()
    first = session("parts", **tables)
    for _ in range(7):
        first.trainer.step()
    first.save()
    second = session("parts", **tables)
    assert second.trainer.updates == 7
    for _ in range(13):
        second.trainer.step()
    expected = whole.trainer.tensors()
    for name, tensor in second.trainer.tensors().items():
        assert torch.equal(tensor, expected[name]), name

    softer = {**tables, "teacher": {"run": "tiny", "weight": 0.5, "scale": 0.8}}
    soft = session("alone", **softer).trainer
    assert soft.teacher_weights.embedding.equal(0.8 * whole.trainer.teacher_weights.embedding)
    alone = session("alone", **{**tables, "teacher": {}})
    for _ in range(20):
        alone.trainer.step()
    assert not torch.equal(alone.trainer.state.flat, whole.trainer.state.flat)
