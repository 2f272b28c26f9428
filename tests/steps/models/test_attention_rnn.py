"""The attention RNN: published sizes, exactness under padding, poolings against formulas."""

import pytest
import torch

from steps.models.attention_rnn import AttentionRnn, AttentionRnnConfig

CLASSES = {"emotion": 4, "speaker": 5, "gender": 2}


def small(**options):
    torch.manual_seed(0)
    return AttentionRnn(6, CLASSES, AttentionRnnConfig(projection=[12], hidden=7, branch=[8], **options)).eval()


def test_published_sizes_on_the_36_features():
    model = AttentionRnn(36, {"emotion": 4, "speaker": 10, "gender": 2}, AttentionRnnConfig())
    # Counted by hand: 36-256; four gates of 128 units with two biases, twice; the score; a task 256-256-C.
    recurrent = 2 * 4 * (256 * 128 + 128 * 128 + 2 * 128)
    branches = sum(256 * 256 + 256 + 256 * c + c for c in (4, 10, 2))
    assert sum(p.numel() for p in model.parameters()) == 36 * 256 + 256 + recurrent + 256 + branches
    assert model.heads.weights == {"emotion": 1.0, "speaker": 0.3, "gender": 0.6}


@pytest.mark.parametrize("cell", ["lstm", "advanced"])
@pytest.mark.parametrize("pooling", ["attention", "mean", "last"])
def test_logits_do_not_depend_on_the_companions(cell, pooling):
    model = small(cell=cell, pooling=pooling, layers=2)
    sequences = [torch.randn(length, 6) for length in (9, 1, 5, 14)]
    x = torch.full((4, 20, 6), 1e4)  # what stands behind the end must not be looked at
    for number, sequence in enumerate(sequences):
        x[number, :len(sequence)] = sequence
    with torch.no_grad():
        together = model(x, torch.tensor([9, 1, 5, 14]))
        for number, sequence in enumerate(sequences):
            alone = model(sequence[None], torch.tensor([len(sequence)]))
            for task in CLASSES:
                torch.testing.assert_close(together[task][number], alone[task][0], rtol=1e-5, atol=1e-6)


def test_attention_is_a_softmax_of_scores_over_the_frames_that_are_there():
    model = small()
    x, lengths = torch.randn(2, 4, 14), torch.tensor([4, 2])
    for number, length in enumerate(lengths.tolist()):
        weight = model.score.weight[0].detach()
        scores = [float(x[number, t] @ weight) for t in range(length)]
        total = sum(torch.tensor(score).exp() for score in scores)
        expected = sum(torch.tensor(score).exp() / total * x[number, t] for t, score in enumerate(scores))
        torch.testing.assert_close(model.pool(x, lengths)[number], expected)


def test_mean_and_last_pooling():
    x, lengths = torch.randn(2, 4, 14), torch.tensor([4, 2])
    mean, last = small(pooling="mean").pool(x, lengths), small(pooling="last").pool(x, lengths)
    torch.testing.assert_close(mean[1], x[1, :2].mean(dim=0))
    # The forward direction has seen everything at the last frame, the backward one at the first.
    torch.testing.assert_close(last[1], torch.cat([x[1, 1, :7], x[1, 0, 7:]]))
    assert small(pooling="mean").score is None


@pytest.mark.parametrize("cell", ["lstm", "advanced"])
def test_every_parameter_gets_a_gradient(cell):
    model = small(cell=cell, dropout=0.1, input_dropout=0.1, input_noise=0.1).train()
    batch = {"x": torch.randn(8, 9, 6), "lengths": torch.arange(2, 10),
             "targets": {task: torch.randint(0, count, (8,)) for task, count in CLASSES.items()}}
    losses = model.loss(batch)
    assert losses["items"] == 8 and {"loss_emotion", "loss_speaker", "loss_gender"} <= set(losses)
    losses["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
