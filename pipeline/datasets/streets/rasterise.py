"""Turns a scene into rasters: which polygon each pixel shows, and from it labels, depths and surface directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.datasets.streets.geometry import (
    FARTHEST,
    NEAREST,
    Bytes,
    Camera,
    Floats,
    Indices,
    Label,
    Material,
    Scene,
)

OVERSAMPLING = 2  # polygons are drawn at twice the size, so that averaging gives the image smooth edges
SKY_PART = 0  # the index of the sky, which lies behind all polygons
SMALLEST = 0.0012  # image heights; smaller polygons would be widened to a pixel by the rasteriser and cover the larger


@dataclass(frozen=True)
class Raster:
    """What each pixel shows, for P polygons of which number 0 is the sky.

    `index_HW` is int32 at `OVERSAMPLING` times the size of the picture; `seen_HW` is the same at the picture's size.
    `label_HW` holds train ids, 255 where ignored, and `depth_HW` metres ahead of the camera. `column_1W` and `row_H1`
    are the pixels' places in image heights. `normal_P3` points towards the camera.
    """

    camera: Camera
    height: int
    width: int
    index_HW: Indices
    seen_HW: Indices
    label_HW: Bytes
    depth_HW: Floats
    column_1W: Floats
    row_H1: Floats
    material_P: Bytes
    tint_P: Floats
    normal_P3: Floats


def rasterise(scene: Scene, height: int, width: int) -> Raster:
    """Draw the polygons of a scene in their order, back to front."""
    parts = scene.parts()
    counts_P = np.array([len(part.points) for part in parts])
    starts_P = np.cumsum(counts_P) - counts_P
    points_M3 = np.array([point for part in parts for point in part.points], dtype=np.float32)
    seen_M3 = scene.camera.straighten(points_M3)
    picture_M2 = scene.camera.project(seen_M3)
    normal_P3, plane_P3, outside_P = _planes(scene.camera, seen_M3, starts_P, counts_P)
    solid_P = np.array([part.solid for part in parts])
    shown_P = _in_view(picture_M2, starts_P, width / height) & ~(solid_P & ~outside_P)
    index_HW = _fill(picture_M2, starts_P, counts_P, shown_P, height, width)
    seen_HW = index_HW[::OVERSAMPLING, ::OVERSAMPLING]
    column_1W, row_H1 = _places(width, height)[None, :], _places(height, height)[:, None]
    sky_13 = np.zeros((1, 3), np.float32)
    return Raster(
        camera=scene.camera,
        height=height,
        width=width,
        index_HW=index_HW,
        seen_HW=seen_HW,
        label_HW=np.array([Label.SKY, *(part.label for part in parts)], np.uint8)[seen_HW],
        depth_HW=_depths(np.concatenate((sky_13, plane_P3)), seen_HW, column_1W, row_H1),
        column_1W=column_1W,
        row_H1=row_H1,
        material_P=np.array([Material.SKY, *(part.material for part in parts)], np.uint8),
        tint_P=np.array([0.5, *(part.tint for part in parts)], np.float32),
        normal_P3=np.concatenate((sky_13, normal_P3)),
    )


def _places(count: int, height: int) -> Floats:
    """Where the drawn samples of `count` pixels lie, in image heights: each is the first sample of its pixel."""
    return np.asarray((np.arange(count) + 0.5 / OVERSAMPLING) / height, dtype=np.float32)


def _depths(plane_P3: Floats, seen_HW: Indices, column_1W: Floats, row_H1: Floats) -> Floats:
    """Metres ahead of the camera, from each polygon's 1 / depth = a * column + b * row + c."""
    slope_HW3 = plane_P3[seen_HW]
    inverse_HW = slope_HW3[..., 0] * column_1W + slope_HW3[..., 1] * row_H1 + slope_HW3[..., 2]
    return np.asarray(1.0 / np.clip(inverse_HW, 1.0 / FARTHEST, 1.0 / NEAREST), dtype=np.float32)


def _planes(
    camera: Camera, seen_M3: Floats, starts_P: NDArray[np.int64], counts_P: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Unit normals towards the camera, inverse depths as planes over the picture, and who shows the outward side."""
    first_P3, second_P3, last_P3 = seen_M3[starts_P], seen_M3[starts_P + 1], seen_M3[starts_P + counts_P - 1]
    normal_P3 = np.cross(second_P3 - first_P3, last_P3 - first_P3)
    normal_P3 /= np.linalg.norm(normal_P3, axis=1, keepdims=True) + 1e-9
    offset_P = np.einsum("pc,pc->p", normal_P3, first_P3)
    outside_P = offset_P < 0
    # A ray (column, row) meets the plane n . x = d at 1 / depth = n . ray / d, which is linear in column and row.
    edge_on_P = np.abs(offset_P) < 1e-4
    safe_P = np.where(edge_on_P, 1.0, offset_P)
    across_P, down_P = normal_P3[:, 0] / camera.focal, -normal_P3[:, 1] / camera.focal
    constant_P = normal_P3[:, 2] - across_P * camera.centre - down_P * camera.horizon
    plane_P3 = np.stack((across_P, down_P, constant_P), axis=1) / safe_P[:, None]
    plane_P3[edge_on_P] = 0.0
    plane_P3[edge_on_P, 2] = 1.0 / first_P3[edge_on_P, 2]
    towards_P3 = np.where(outside_P[:, None], normal_P3, -normal_P3)
    return towards_P3.astype(np.float32), plane_P3.astype(np.float32), outside_P


def _in_view(picture_M2: Floats, starts_P: NDArray[np.int64], aspect: float) -> NDArray[np.bool_]:
    """Return whether a polygon reaches into the picture and is large enough to be drawn."""
    low_P2 = np.minimum.reduceat(picture_M2, starts_P, axis=0)
    high_P2 = np.maximum.reduceat(picture_M2, starts_P, axis=0)
    inside_P = (high_P2 > 0).all(axis=1) & (low_P2[:, 0] < aspect) & (low_P2[:, 1] < 1.0)
    size_P = (high_P2 - low_P2).max(axis=1)
    return np.asarray(inside_P & (size_P > SMALLEST))


def _fill(
    picture_M2: Floats,
    starts_P: NDArray[np.int64],
    counts_P: NDArray[np.int64],
    shown_P: NDArray[np.bool_],
    height: int,
    width: int,
) -> Indices:
    """Paint the numbers of the polygons, counted from 1, over a sky of zeros."""
    canvas = Image.new("I", (width * OVERSAMPLING, height * OVERSAMPLING), SKY_PART)
    draw = ImageDraw.Draw(canvas)
    # Pillow's whole numbers are pixel centres; the picture's are pixel corners.
    corners = (picture_M2 * (height * OVERSAMPLING) - 0.5).ravel().tolist()
    for part in np.flatnonzero(shown_P).tolist():
        start = 2 * int(starts_P[part])
        draw.polygon(corners[start : start + 2 * int(counts_P[part])], fill=part + 1)
    return np.asarray(canvas, dtype=np.int32)
