import torch

from jakiro_training import soft_cross_entropy as module
from jakiro_training.soft_cross_entropy import soft_cross_entropy


def test_loss_gradient_and_hits_equal_the_plain_formula(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    torch.manual_seed(0)
    teacher, lm_head = torch.randn(20, 8), torch.randn(30, 8)
    weights = torch.rand(2, 20) * (torch.rand(2, 20) > 0.3)
    students = [torch.randn(20, 8, requires_grad=True) for _ in range(2)]
    scale = torch.tensor([1.0, 0.5])
    losses, hits = soft_cross_entropy(teacher, lm_head, weights, students)
    (losses * scale).sum().backward()
    gradients = [s.grad.clone() for s in students]

    q = (teacher @ lm_head.T).softmax(-1)
    for student in students:
        student.grad = None
    expected = torch.stack(
        [-(w * (q * (s @ lm_head.T).log_softmax(-1)).sum(-1)).sum() for s, w in zip(students, weights)]
    )
    (expected * scale).sum().backward()
    torch.testing.assert_close(losses, expected)
    for student, gradient in zip(students, gradients):
        torch.testing.assert_close(gradient, student.grad)
    agree = torch.stack([((s @ lm_head.T).argmax(-1) == q.argmax(-1)) & (w > 0) for s, w in zip(students, weights)])
    assert hits.tolist() == agree.sum(-1).tolist()
