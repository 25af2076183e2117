"""Labels: places beside points where no label covers a point or another label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxembed.plot._style import DPI

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINT = DPI / 72  # pixels
# All lengths are in points, 1/72 inch.
# Distances tried between a point and its label, in three groups.
DISTANCES = np.split(5 * 1.3 ** np.arange(17), [3, 8])
DIRECTIONS = np.exp(2j * np.pi * np.arange(16) / 16)
MARGIN = 1.0  # around each label
RADIUS = 3.0  # around each point
CROWD = 60.0  # points within this distance push a label away
LEADER = 8.0  # longest distance of a label without a line to its point
N_PASSES = 3  # every pass moves each label to its best place, given all labels
# Cost of a conflict, in points of distance.
OUTSIDE, COVERED, CUT, CROSSED, TOUCHED, NEARER = 1e6, 1e4, 1e3, 300.0, 20.0, 5.0


def draw_labels(
    figure: "Figure", axes: "Axes", points: np.ndarray, names: Sequence[str]
) -> None:
    """Write each word near its point, joined by a line if this is not obvious."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection
    from matplotlib.transforms import Affine2D

    renderer = FigureCanvasAgg(figure).get_renderer()
    scale = Affine2D().scale(POINT)
    labels = [
        axes.text(0, 0, name, fontsize=9, parse_math=False, transform=scale)
        for name in names
    ]
    bounds = [label.get_window_extent(renderer).bounds for label in labels]
    extents = np.reshape(bounds, (-1, 4)) / POINT
    places = np.asarray(axes.transData.transform(points)) / POINT
    area = np.array(axes.bbox.extents) / POINT
    corners = place_labels(places, extents[:, 2:], area)
    for label, corner, origin in zip(labels, corners, extents[:, :2], strict=True):
        label.set_position(corner - origin)  # the box of a text begins below its line
    leaders = []
    boxes = np.concatenate([corners, corners + extents[:, 2:]], axis=1)
    for place, box in zip(places, boxes, strict=True):
        anchor = find_anchor(place, box)
        distance = np.linalg.norm(anchor - place)
        distances = np.linalg.norm(find_anchor(places, box) - places, axis=1)
        # Without a line, a label seems to belong to the nearest point.
        if distance > min(LEADER, distances.min()):
            leaders.append(np.stack([place, anchor]))
    lines = LineCollection(
        leaders, colors="#555555", linewidths=0.6, zorder=3, transform=scale
    )
    axes.add_collection(lines, autolim=False)


def place_labels(
    points: np.ndarray, sizes: np.ndarray, bounds: np.ndarray
) -> np.ndarray:
    """Choose a place for the label of each point. The result is deterministic.

    Each label takes the place of the lowest cost among fixed directions and distances.
    The cost of a place is its distance. It is higher for a place out of bounds, over a
    point or a label, or nearest to another point, and if the line from the point to
    its label crosses another line, a label or a point.

    Args:
      points: ``float[n, 2]``, positions of the points.
      sizes: ``float[n, 2]``, width and height of each label.
      bounds: ``float[4]``, left, bottom, right and top of the area for labels.

    Returns:
      ``float[n, 2]``, lower left corner of each label.

    Example:
      >>> points, sizes = np.array([[0.0, 0.0], [5.0, 0.0]]), np.full((2, 2), 10.0)
      >>> place_labels(points, sizes, np.array([-50, -50, 50, 50])).round()
      array([[-15.,  -5.],
             [ 10.,  -5.]])
    """
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    is_near = apart < CROWD
    centers = np.array([points[near].mean(axis=0) for near in is_near])
    # The most crowded points choose first, while there is room around them.
    order = np.argsort(-is_near.sum(axis=1), kind="stable")
    boxes = np.full((len(points), 4), np.nan)  # NaN: in conflict with nothing
    for _ in range(N_PASSES):
        for i in order:
            boxes[i] = np.nan
            outward = points[i] - centers[i]
            boxes[i] = _find_place(points, sizes[i], boxes, i, outward, bounds)
    return boxes[:, :2]


def find_anchor(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the place of each box ``float[..., 4]`` nearest to its point."""
    return np.clip(points, boxes[..., :2], boxes[..., 2:])


def _find_place(
    points: np.ndarray,
    size: np.ndarray,
    boxes: np.ndarray,
    i: int,
    outward: np.ndarray,
    bounds: np.ndarray,
) -> np.ndarray:
    """Return the box ``float[4]`` of the lowest cost for label i."""
    best, lowest = boxes[i], np.inf
    for distances in DISTANCES:
        if lowest <= distances[0]:  # a place costs at least its distance
            break
        places, costs = _list_places(points[i], size, outward, distances)
        costs = costs + _cost_conflicts(places, points, boxes, i, bounds)
        if costs.min() < lowest:
            best, lowest = places[np.argmin(costs)], costs.min()
    return best


def _list_places(
    point: np.ndarray, size: np.ndarray, outward: np.ndarray, distances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes ``float[m, 4]`` around a point, and the cost of each ``float[m]``.

    A box costs at least its distance, and more if its direction is not ``outward``.
    """
    directions = np.stack([DIRECTIONS.real, DIRECTIONS.imag], axis=1)
    # On a square about the point, so that a corner of the box is at the distance too.
    square = np.clip(directions * np.sqrt(2), -1, 1)
    centers = point + square * (size / 2 + distances[:, None, None])
    lower = (centers - size / 2).reshape(-1, 2)
    outward = outward / max(np.linalg.norm(outward), 1e-9)
    turned = 1 - directions @ outward + 0.1 * (1 - directions[:, 0])  # to the right
    costs = (distances[:, None] + 4 * turned).ravel()
    return np.concatenate([lower, lower + size], axis=1), costs


def _cost_conflicts(
    places: np.ndarray,
    points: np.ndarray,
    boxes: np.ndarray,
    i: int,
    bounds: np.ndarray,
) -> np.ndarray:
    """Return the cost of the conflicts of m places of label i, ``float[m]``."""
    others = np.arange(len(points)) != i
    wide = places + MARGIN * np.array([-1, -1, 1, 1])
    dots = np.concatenate([points - RADIUS, points + RADIUS], axis=1)
    is_outside = (wide[:, :2] < bounds[:2]) | (wide[:, 2:] > bounds[2:])
    costs = OUTSIDE * is_outside.any(axis=1)
    costs += COVERED * _overlap(wide[:, None], dots).sum(axis=1)
    costs += COVERED * _overlap(wide[:, None], boxes).sum(axis=1)
    start, ends = points[i], find_anchor(points[i], places)[:, None]
    costs += CUT * _cut(start, ends, boxes).sum(axis=1)
    costs += TOUCHED * _cut(start, ends, dots[others]).sum(axis=1)
    distances = np.linalg.norm(find_anchor(points, places[:, None]) - points, axis=2)
    costs += NEARER * (distances < distances[:, i : i + 1]).any(axis=1)
    anchors = find_anchor(points, boxes)
    costs += CUT * _cut(points, anchors, wide[:, None]).sum(axis=1)
    costs += CROSSED * _cross(start, ends, points, anchors).sum(axis=1)
    return costs


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return whether boxes overlap."""
    return np.all((a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:]), axis=-1)


def _cut(start: np.ndarray, end: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return whether lines cut boxes."""
    along = end - start
    along = np.where(along == 0, 1e-9, along)
    low, high = (boxes[..., :2] - start) / along, (boxes[..., 2:] - start) / along
    enters = np.minimum(low, high).max(axis=-1)
    leaves = np.maximum(low, high).min(axis=-1)
    return np.maximum(enters, 0) <= np.minimum(leaves, 1)


def _cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Return whether lines from a to b cross lines from c to d."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        u, v = q - p, r - p
        return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

    apart = side(a, b, c) * side(a, b, d) < 0
    return apart & (side(c, d, a) * side(c, d, b) < 0)
