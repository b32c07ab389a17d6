"""The colours of each material in either domain. A part's tint picks along the row, from left to right."""

from __future__ import annotations

import numpy as np

from pipeline.datasets.streets.geometry import Floats, Material

SHADES = 60  # entries per material, over which the colours of a row are spread evenly

# Clean, saturated game colours.
SOURCE_COLOURS: dict[Material, str] = {
    Material.SKY: "3f8fe8",
    Material.ASPHALT: "666a72 70747c 5c6068",
    Material.PATCH: "585c64 7a7e86",
    Material.PAINT: "f4f4f0",
    Material.KERB: "c8c8c4",
    Material.PAVING: "b4aca4 a8a4a8 c0b29c",
    Material.GRASS: "5fae3a 74bd44 8cb848",
    Material.RAIL: "8c8890",
    Material.FACADE: "d98a5b e8c48c c9d2dc b5553f f0dcb4 8fa4b8 d8b0a0 a8785a e0e0d8 c79a4a",
    Material.TRIM: "f2e6d0 dcd4c8 b8b0a8",
    Material.WINDOW: "3a5878 5f8ab0 2c4058 7fb0d8",
    Material.SHOP: "c83c3c 2c7a4c 2c4c9c e0a020 6c2c6c",
    Material.DOOR: "6c3c20 30503c 38383c 803030",
    Material.ROOF: "a04030 6c4038 505860",
    Material.MASONRY: "c0b49c a89080 b86c50 9c9ca0",
    Material.FENCE: "e8e8e0 5c3c28 2c5c3c 383c40",
    Material.FENCE_GAP: "7c9460 8c7c68 78888c",
    Material.METAL: "5c6068 787c84 40444c",
    Material.LAMP: "f0ecd8",
    Material.LIGHT_BOX: "20242c",
    Material.LIGHT_RED: "ff2a20",
    Material.LIGHT_AMBER: "ffb020",
    Material.LIGHT_GREEN: "20f080",
    Material.LIGHT_OFF: "3c3c40",
    Material.SIGN_RED: "e01c24",
    Material.SIGN_BLUE: "1c54d0",
    Material.SIGN_WHITE: "fafafa",
    Material.SIGN_YELLOW: "fcc810",
    Material.BARK: "6c4424 7c5430",
    Material.LEAF: "2c7c2c 38902f 4aa238 5cb040",
    Material.CAR_PAINT: "d82020 2050d0 f0f0f0 f0b010 18a060 202428 b0b8c0 e06018 40a0e0 8c1c3c",
    Material.GLASS: "283848 304458",
    Material.TYRE: "1c1c20 26262a",
    Material.HUB: "b0b4bc",
    Material.TAIL_LAMP: "e81420",
    Material.HEAD_LAMP: "fcfcec",
    Material.PLATE: "f0f0e0",
    Material.BUS_PAINT: "e83028 f4c41c 2c74d8 3ca848",
    Material.TRAM_PAINT: "f0e8d0 d82c2c 2c8c5c f4cc28",
    Material.CARGO: "f0f0ec 2c64b8 d86820 c8c8cc 3c9860",
    Material.SKIN: "f0c09c d49c74 8c5c3c",
    Material.HAIR: "2c1c10 6c4420 c89c50 202024",
    Material.SHIRT: "d83030 3060d0 f0d030 40b060 f0f0f0 8c40b0 28282c f08030",
    Material.TROUSERS: "2c3c6c 3c3c40 6c5840 8c8c90",
    Material.CYCLE: "d02828 2858c8 28282c 30a058",
    Material.SPOKES: "888c90",
    Material.BONNET: "b82424 2c4ca0 24282c c8ccd0",
    Material.BIN: "2c6c3c 4c5058 c87020",
    Material.DISTANT: "a8b4c4 b8a8a0 98a8b8",
}

# Muted colours of an overcast northern town; most cars are black, grey or white.
TARGET_COLOURS: dict[Material, str] = {
    Material.SKY: "c8ccd0",
    Material.ASPHALT: "625f5c 77726b 504f50",
    Material.PATCH: "474646 6e6a64 55524e",
    Material.PAINT: "c6c3b8",
    Material.KERB: "99958d",
    Material.PAVING: "837d78 96897f 757477",
    Material.GRASS: "6b6e3e 5c6539 837b4e",
    Material.RAIL: "6a6560",
    Material.FACADE: "8f867a b5a78f 7a736e 6f4c3f a99a8a 8b8d8f 9b8367 c4b9a6 5f5a58 7d6353",
    Material.TRIM: "a39a8c 7e786f 8a7f74",
    Material.WINDOW: "2f3438 4a5257 262829 79838a",
    Material.SHOP: "6f2f2c 2e4238 2f384f 86704a 3a3638",
    Material.DOOR: "43332a 2f3432 3a3838 54403a",
    Material.ROOF: "5d4039 4a4341 3f4245",
    Material.MASONRY: "837a6e 6f655e 78564a 767573",
    Material.FENCE: "85837d 4a3f38 39443d 3a3c3d",
    Material.FENCE_GAP: "585b48 5e574f 55595a",
    Material.METAL: "55585a 6d6f70 3d3f41",
    Material.LAMP: "aaa89f",
    Material.LIGHT_BOX: "242526",
    Material.LIGHT_RED: "d9483a",
    Material.LIGHT_AMBER: "d9a24a",
    Material.LIGHT_GREEN: "63c7a0",
    Material.LIGHT_OFF: "2e2d2d",
    Material.SIGN_RED: "a5373a",
    Material.SIGN_BLUE: "33508c",
    Material.SIGN_WHITE: "c9c8c2",
    Material.SIGN_YELLOW: "c29b3d",
    Material.BARK: "4a4039 5a5048",
    Material.LEAF: "333c24 434a2c 545a35 676840",
    Material.CAR_PAINT: "1f2022 9a9da0 c3c4c4 2a2e36 57595c 35373a 7c7f83 6b2527 2c3a55 b3ada2",
    Material.GLASS: "24282b 363c40",
    Material.TYRE: "1b1b1c 242323",
    Material.HUB: "77797b",
    Material.TAIL_LAMP: "8f2a2a",
    Material.HEAD_LAMP: "cfcfc8",
    Material.PLATE: "bdbcb2",
    Material.BUS_PAINT: "8c2f2c b59a4a 44586f b9b8b2",
    Material.TRAM_PAINT: "b8ad93 8a2f2f 3f5a4c b39d45",
    Material.CARGO: "b9b8b4 4a5a72 8a8985 5c5f5c a0978a",
    Material.SKIN: "b8917a 9a7660 6d4c3a",
    Material.HAIR: "241d18 4a3826 7d6848 222122",
    Material.SHIRT: "2a2c30 3a4252 6b6a68 4a3530 7d7468 27303a 8f3a36 a5a29c",
    Material.TROUSERS: "272b38 2b2b2d 4a4238 3c414c",
    Material.CYCLE: "6b2a2a 2b3a58 232325 55595a",
    Material.SPOKES: "64625e",
    Material.BONNET: "2a2c2f 4d5054 1d1e20 8d8f90",
    Material.BIN: "36443a 47484a 6a5138",
    Material.DISTANT: "8e9194 96918c 84888c",
}


def palette(colours: dict[Material, str]) -> Floats:
    """The colours as float32[materials, SHADES, 3] in 0 … 1."""
    table_MS3 = np.zeros((len(Material), SHADES, 3), dtype=np.float32)
    for material, row in colours.items():
        shades_K3 = np.array([list(bytes.fromhex(code)) for code in row.split()], dtype=np.float32) / 255.0
        table_MS3[material] = shades_K3[np.arange(SHADES) * len(shades_K3) // SHADES]
    return table_MS3


SOURCE_PALETTE = palette(SOURCE_COLOURS)
TARGET_PALETTE = palette(TARGET_COLOURS)
