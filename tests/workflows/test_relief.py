"""Pictures of voxels show the faces that are there."""

import numpy as np

from ionscreen.workflows.relief import LIGHT, relief


def test_a_box_shows_its_three_near_faces_in_three_shades() -> None:
    colours = np.ones((6, 9, 4, 4))
    picture = relief(colours, 120)
    shades = sorted(set(np.round(picture[picture[..., 3] == 1][:, 0], 6)))
    assert shades == sorted(LIGHT)
    assert (picture[0, 0, 3], picture[60, 60, 3]) == (0, 1)


def test_each_near_face_is_the_one_with_its_paint() -> None:
    colours = np.zeros((8, 8, 8, 4))
    colours[..., 3] = 1
    colours[-1, :, :, 0] = 1  # red where the current leaves, on the right
    colours[:, :, -1, 2] = 1  # blue on top
    colours[0, :, :, 1] = 1  # green where it enters, on the far side but for its edges
    picture = relief(colours, 200)
    middle = picture[100:180]
    red, blue = np.argwhere(middle[..., 0] > 0.5), np.argwhere(picture[..., 2] > 0.9)
    assert red[:, 1].mean() > 120
    assert blue[:, 0].mean() < 80
    assert (picture[..., 1] > 0.5).sum() < 0.1 * (picture[..., 3] > 0).sum()


def test_nothing_is_drawn_of_an_empty_box() -> None:
    assert not relief(np.zeros((3, 4, 5, 4)), 40).any()


def test_rays_pass_a_hole() -> None:
    colours = np.ones((15, 15, 15, 4))
    whole = relief(colours, 100)[..., 3].sum()
    colours[1:-1, 1:-1, :, 3] = 0
    colours[:, 1:-1, 1:-1, 3] = 0
    colours[1:-1, :, 1:-1, 3] = 0
    assert 0.1 * whole < relief(colours, 100)[..., 3].sum() < 0.8 * whole
