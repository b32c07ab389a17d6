"""A LeNet with one class for a whole image: classification as segmentation with equal logits at all pixels.

The variant of ADDA and CyCADA (Tzeng et al., CVPR 2017; Hoffman et al., ICML 2018), with which IntraDA runs its digit
experiment: two convolutions of 5x5 with pooling, 800 features of a 28x28 image, one hidden layer of 500, dropout of one
half before the second pool and before the classifier. Fully connected layers are written as convolutions.
"""

# N batch, C class, H/W pixels

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.base import Preprocessing, SegmentationModel, Upsample

FRONT_CHANNELS = (20, 50)
HIDDEN = 500
_MAP = 4


class LeNet(SegmentationModel):
    """Logits (N, C, 1, 1), up-sampled to every pixel alike.

    Colours are averaged. Images of 28x28 pixels fit exactly; features of other sizes, 16x16 at least, are averaged to
    the 4x4 map that a 28x28 image has.
    """

    HEAD_PARTS = frozenset({"classify"})

    def __init__(self, classes: int, preprocessing: Preprocessing) -> None:
        # Aligned corners: of one value every pixel is that very value. Without, its weights 0.4 and 0.6 would round it.
        super().__init__(classes, preprocessing, Upsample(align_corners=True))
        self.conv1 = nn.Conv2d(1, FRONT_CHANNELS[0], 5)
        self.conv2 = nn.Conv2d(*FRONT_CHANNELS, 5)
        self.hidden = nn.Conv2d(FRONT_CHANNELS[1], HIDDEN, _MAP)
        self.classify = nn.Conv2d(HIDDEN, classes, 1)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Forward pass; the front blocks end after each pool."""
        grey_N1HW = input_N3HW.mean(dim=1, keepdim=True)
        first_NDhw = functional.relu(functional.max_pool2d(self.conv1(grey_N1HW), 2))
        dropped_NDhw = functional.dropout2d(self.conv2(first_NDhw), 0.5, self.training)
        second_NDhw = functional.relu(functional.max_pool2d(dropped_NDhw, 2))
        hidden_ND11 = functional.relu(self.hidden(functional.adaptive_avg_pool2d(second_NDhw, _MAP)))
        logits_NC11 = self.classify(functional.dropout(hidden_ND11, 0.5, self.training))
        return cast(Tensor, logits_NC11), None, (first_NDhw, second_NDhw)

    def classifiers(self) -> list[nn.Conv2d]:
        """Return the convolutions that give class scores."""
        return [self.classify]
