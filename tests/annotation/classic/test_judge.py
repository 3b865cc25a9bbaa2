"""The crop judge of the profile classic: what it says of crops whose quality is known."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.annotation.classic.judge import MapJudge
from giqa_hf.builders.synth.photos import load_photo
from giqa_hf.distortions import distort

BIKE = load_photo("motorcycle_left.png").resize((240, 160))

SPOILED = {
    # quality: what gives it, and whether "not ..." is read from the same map
    "noisy": ("noise", "gaussian_rgb", True),
    "blurry": ("blur", "gaussian", True),
    "pixelated": ("pixelate", "pixelate", False),  # the opposite is "clean", of which no map tells
    "oversaturated": ("saturate_strengthen", "hsv", False),  # the opposite is "vivid", and it is that too
    "dark": ("darken", "rgb_shift", True),
}


@pytest.mark.parametrize("quality", SPOILED)
def test_yes_where_it_is_and_no_where_it_is_not(quality):
    family, name, deniable = SPOILED[quality]
    spoiled = distort(BIKE, family, name, severity=5, seed=0)
    has, has_not = MapJudge().yes_probability([spoiled, BIKE], [quality, quality])
    assert has > 0.5 > has_not
    if deniable:
        denied, not_denied = MapJudge().yes_probability([spoiled, BIKE], [f"not {quality}"] * 2)
        assert denied < 0.5 < not_denied


@pytest.mark.parametrize("quality", ["purple", "clean", ""])
def test_none_where_no_map_tells(quality):
    assert MapJudge().yes_probability([BIKE], [quality]) == [None]


def test_answers_come_in_order_and_do_not_depend_on_neighbours():
    dark = distort(BIKE, "darken", severity=5, seed=0)
    together = MapJudge().yes_probability([BIKE, dark], ["dark", "dark"])
    assert together == [MapJudge().yes_probability([c], ["dark"])[0] for c in (BIKE, dark)]
    assert together[0] < together[1]
    assert MapJudge().yes_probability([], []) == []
    assert np.isfinite(together).all() and MapJudge().settings()["profile"] == "classic"
