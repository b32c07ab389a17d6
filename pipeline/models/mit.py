"""Mix Transformer (MiT), the encoder of SegFormer, DAFormer, HRDA and MIC.

Xie et al., "SegFormer" (NeurIPS 2021). Attribute names are the authors', so that their state dicts load key by key.
Their layer norms have two epsilons: 1e-6 before attention and MLP and after a stage, 1e-5 in patch embedding and
spatial reduction. Where we differ: attention is torch's fused kernel, which keeps nothing of the size of tokens times
tokens, and fresh convolutions follow He's rule by fan-in, as everywhere here.
"""

# N batch, L tokens of a stage (h·w), M tokens after spatial reduction, D channels, h/w pixels of a stage

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

PRE_NORM_EPS = 1e-6
MLP_RATIO = 4
DROP_PATH = 0.1
HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)


@dataclass(frozen=True)
class Size:
    """Channels and blocks of the four stages, at strides 4, 8, 16 and 32."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


_WIDE = (64, 128, 320, 512)
SIZES = {
    "mit-b0": Size((32, 64, 160, 256), (2, 2, 2, 2)),
    "mit-b1": Size(_WIDE, (2, 2, 2, 2)),
    "mit-b2": Size(_WIDE, (3, 4, 6, 3)),
    "mit-b3": Size(_WIDE, (3, 4, 18, 3)),
    "mit-b4": Size(_WIDE, (3, 8, 27, 3)),
    "mit-b5": Size(_WIDE, (3, 6, 40, 3)),
}


def to_map(token_NLD: Tensor, height: int, width: int) -> Tensor:
    """Return tokens as a feature map (N, D, h, w)."""
    return token_NLD.transpose(1, 2).reshape(token_NLD.shape[0], -1, height, width)


def to_tokens(feature_NDhw: Tensor) -> Tensor:
    """Return a feature map as tokens (N, L, D)."""
    return feature_NDhw.flatten(2).transpose(1, 2)


def drop_path(branch_NLD: Tensor, rate: float, training: bool) -> Tensor:
    """Return the branch with whole samples left out at a rate, the others scaled up (stochastic depth, Huang 2016)."""
    if not training or rate == 0:
        return branch_NLD
    return branch_NLD * functional.dropout(branch_NLD.new_ones(branch_NLD.shape[0], 1, 1), rate)


class PatchEmbed(nn.Module):
    """Overlapping patches: a strided convolution and a layer norm over channels."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels_in, channels, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(channels)

    def forward(self, input_NDHW: Tensor) -> tuple[Tensor, int, int]:
        """Return tokens (N, L, D), and the height and width of their map."""
        feature_NDhw = self.proj(input_NDHW)
        return self.norm(to_tokens(feature_NDhw)), feature_NDhw.shape[2], feature_NDhw.shape[3]


class Attention(nn.Module):
    """Self-attention of all tokens to those of a map that a strided convolution makes smaller."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.sr = nn.Conv2d(channels, channels, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(channels) if reduction > 1 else None

    def forward(self, token_NLD: Tensor, height: int, width: int) -> Tensor:
        """Return tokens (N, L, D)."""
        reduced_NMD = token_NLD
        if self.sr is not None and self.norm is not None:
            reduced_NMD = self.norm(to_tokens(self.sr(to_map(token_NLD, height, width))))
        key, value = self.kv(reduced_NMD).chunk(2, dim=-1)
        query, key, value = (self._by_head(part) for part in (self.q(token_NLD), key, value))
        attended = functional.scaled_dot_product_attention(query, key, value)
        answer_NLD: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return answer_NLD

    def _by_head(self, token_NLD: Tensor) -> Tensor:
        batch, length, _ = token_NLD.shape
        return token_NLD.view(batch, length, self.heads, -1).transpose(1, 2)


class MixFfn(nn.Module):
    """MLP with a depthwise 3x3 convolution inside, which tells tokens where they are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = MLP_RATIO * channels
        self.fc1 = nn.Linear(channels, hidden)
        self.dwconv = nn.ModuleDict({"dwconv": nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)})
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, token_NLD: Tensor, height: int, width: int) -> Tensor:
        """Return tokens (N, L, D)."""
        hidden = to_tokens(self.dwconv["dwconv"](to_map(self.fc1(token_NLD), height, width)))
        answer_NLD: Tensor = self.fc2(functional.gelu(hidden))
        return answer_NLD


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and beside the identity."""

    def __init__(self, channels: int, heads: int, reduction: int, drop_path_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=PRE_NORM_EPS)
        self.attn = Attention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps=PRE_NORM_EPS)
        self.mlp = MixFfn(channels)
        self.drop_path_rate = drop_path_rate

    def forward(self, token_NLD: Tensor, height: int, width: int) -> Tensor:
        """Return tokens (N, L, D)."""
        for norm, branch in ((self.norm1, self.attn), (self.norm2, self.mlp)):
            added_NLD = branch(norm(token_NLD), height, width)
            token_NLD = token_NLD + drop_path(added_NLD, self.drop_path_rate, self.training)
        return token_NLD


class MixTransformer(nn.Module):
    """Encoder: features at strides 4, 8, 16 and 32, rounded up; images are at least 29 pixels high and wide.

    Stochastic depth grows evenly over the blocks from 0 to 0.1, as the authors train it.
    """

    def __init__(self, size: str) -> None:
        super().__init__()
        self.channels, depths = SIZES[size].channels, SIZES[size].depths
        inputs = (3, *self.channels[:-1])
        for stage in range(4):
            kernel, stride = (7, 4) if stage == 0 else (3, 2)
            self.add_module(f"patch_embed{stage + 1}", PatchEmbed(inputs[stage], self.channels[stage], kernel, stride))
        last, before = sum(depths) - 1, 0
        for stage, (channels, depth) in enumerate(zip(self.channels, depths, strict=True)):
            rates = [DROP_PATH * (before + block) / last for block in range(depth)]
            blocks = [Block(channels, HEADS[stage], REDUCTIONS[stage], rate) for rate in rates]
            self.add_module(f"block{stage + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{stage + 1}", nn.LayerNorm(channels, eps=PRE_NORM_EPS))
            before += depth

    def forward(self, input_N3HW: Tensor) -> list[Tensor]:
        """Return features at strides 4, 8, 16 and 32."""
        feature_NDhw, features = input_N3HW, list[Tensor]()
        for stage in range(1, 5):
            token_NLD, height, width = self.get_submodule(f"patch_embed{stage}")(feature_NDhw)
            for block in self.get_submodule(f"block{stage}").children():
                token_NLD = block(token_NLD, height, width)
            feature_NDhw = to_map(self.get_submodule(f"norm{stage}")(token_NLD), height, width)
            features.append(feature_NDhw)
        return features


def at_least(input_N3HW: Tensor, multiple: int) -> Tensor:
    """Return images whose sides are multiples of a number: enlarged bilinearly to the next ones where they are not."""
    height, width = (-(-side // multiple) * multiple for side in input_N3HW.shape[-2:])
    if (height, width) == tuple(input_N3HW.shape[-2:]):
        return input_N3HW
    return functional.interpolate(input_N3HW, (height, width), mode="bilinear", align_corners=False)
