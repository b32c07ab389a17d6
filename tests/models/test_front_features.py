"""Features of the front blocks and of the last one: those from which the logits come, of the promised shapes."""

import pytest
import torch

from pipeline.models.build import build_model


@pytest.mark.parametrize(
    ("architecture", "options", "shapes"),
    [
        ("small", {"encoder": "mobilenet-v3-small", "heads": 2}, [(16, 8, 12), (24, 4, 6), (96, 1, 2)]),
        ("small", {"encoder": "mobilenet-v3-large"}, [(24, 8, 12), (40, 4, 6), (160, 1, 2)]),
        ("small", {"encoder": "efficientnet-lite0"}, [(24, 8, 12), (40, 4, 6), (320, 1, 2)]),
        ("deeplabv2-resnet101", {"heads": 2}, [(256, 9, 13), (512, 5, 7), (2048, 5, 7)]),
        ("deeplabv2-resnet101", {}, [(256, 9, 13), (512, 5, 7), (2048, 5, 7)]),
        ("fcn8s-vgg16", {}, [(64, 115, 123), (128, 58, 62), (512, 8, 8)]),
    ],
)
def test_networks_answer_the_same_logits_with_their_front_features(
    architecture: str, options: dict, shapes: list[tuple[int, ...]]
) -> None:
    model = build_model(architecture, 5, **options).eval()
    input_N3HW = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = model(input_N3HW)
        main, auxiliary, front = model.forward_with_front(input_N3HW)
    assert torch.equal(main, plain[0])
    assert (auxiliary is None) == (plain[1] is None)
    assert auxiliary is None or torch.equal(auxiliary, plain[1])
    assert [tuple(feature.shape[1:]) for feature in front] == shapes


def test_logits_come_from_all_features() -> None:
    model = build_model("small", 5).eval()
    main, _, (first, second, last) = model.forward_with_front(torch.randn(1, 3, 32, 48))
    for gradient in torch.autograd.grad(main.sum(), [first, second, last]):
        assert gradient.abs().sum() > 0
