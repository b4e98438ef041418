from dataclasses import replace

import pytest
import torch

from jakiro_training.head import DraftHead, HeadConfig

from conftest import random_head


@pytest.mark.parametrize("experts", [2, 3, 5])
def test_routing_row_by_row(experts):
    """jakiro.md section 1, written out for one row at a time."""
    head = random_head("jakiro", experts)
    moe, a = head.layer.mlp_moe, torch.randn(50, 32)
    with torch.no_grad():
        z = head.layer.post_attention_layernorm(a)
        output = head.layer.feed_forward(a)
        for row in range(len(a)):
            g = moe.gate(z[row])
            first, second = sorted(torch.topk(g[:experts], 2).indices.tolist())
            outputs = [moe.experts[i](z[row]) for i in (first, second)]
            w = torch.stack([g[first], g[second]]).softmax(0)
            v = g[experts:].softmax(0)
            strong = int(v[1] > v[0])
            torch.testing.assert_close(output.y1[row], a[row] + w[0] * outputs[0] + w[1] * outputs[1])
            torch.testing.assert_close(
                output.y2[row], a[row] + v[strong] * outputs[strong] - v[1 - strong] * outputs[1 - strong]
            )
            for branch, expected in zip(output.branches, outputs):
                torch.testing.assert_close(branch[row], a[row] + expected)


def test_without_contrast_both_experts_are_added():
    head = random_head("jakiro", 2)
    plain = DraftHead(replace(head.config, contrast=False))
    plain.load_state_dict(head.state_dict())
    a = torch.randn(20, 32)
    with torch.no_grad():
        (first, second), sums = torch.stack(head.layer.feed_forward(a).branches) - a, plain.layer.feed_forward(a)
        v = plain.layer.mlp_moe.gate(plain.layer.post_attention_layernorm(a))[:, 2:].softmax(-1)
        torch.testing.assert_close(sums.y2, a + v[:, :1] * first + v[:, 1:] * second)
        torch.testing.assert_close(sums.y1, head.layer.feed_forward(a).y1)


def test_every_expert_and_both_contrastive_signs_occur():
    head = random_head("jakiro", 4)
    with torch.no_grad():
        g = head.layer.mlp_moe.gate(head.layer.post_attention_layernorm(torch.randn(200, 32)))
    assert set(torch.topk(g[:, :4], 2).indices.flatten().tolist()) == {0, 1, 2, 3}
    assert 0 < (g[:, 4] > g[:, 5]).sum() < 200


def test_names_are_the_released_ones():
    names = set(random_head("jakiro", 2).state_dict())
    assert {
        "fc.weight",
        "fc.bias",
        "layers.0.self_attn.q_proj.weight",
        "layers.0.self_attn.k_proj.bias",
        "layers.0.self_attn.o_proj.weight",
        "layers.0.post_attention_layernorm.weight",
        "layers.0.mlp_moe.gate.weight",
        "layers.0.mlp_moe.experts.1.down_proj.weight",
    } <= names
    assert "layers.0.mlp.gate_proj.weight" in random_head("eagle", 0).state_dict()


def test_dense_head_has_the_parameters_of_two_experts():
    count = {
        kind: sum(p.numel() for p in random_head(kind, experts).parameters())
        for kind, experts in (("jakiro", 2), ("eagle", 0))
    }
    gate = 32 * 4
    assert count["jakiro"] - gate == count["eagle"]


def test_initial_fc_passes_feature_and_half_the_embedding():
    head = random_head("jakiro", 2)
    head.initialize(0)
    e, f = torch.randn(3, 32), torch.randn(3, 32)
    torch.testing.assert_close(head.inputs(e, f), 0.5 * e + f)


@pytest.mark.parametrize("kind, experts, complaint", [("other", 2, "kind"), ("jakiro", 1, "at least 2")])
def test_refused_shapes(kind, experts, complaint):
    with pytest.raises(ValueError, match=complaint):
        HeadConfig(kind, 32, 4, 2, 8, 1e4, 1e-6, True, experts, 32, 40)
