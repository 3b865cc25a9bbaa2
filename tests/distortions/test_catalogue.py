from __future__ import annotations

import pytest

from giqa_hf.distortions import DISTORTIONS, FAMILIES, SEVERITIES, members

# Family -> functions, as spec IQA-Spider B3 lists them.
SPEC = {
    "blur": ["gaussian", "motion", "glass", "lens", "zoom", "jitter"],
    "noise": ["gaussian_rgb", "gaussian_ycrcb", "speckle", "spatially_correlated", "poisson", "impulse"],
    "compression": ["jpeg", "jpeg2000"],
    "brighten": ["hsv_shift", "rgb_shift", "hsv_gamma", "rgb_gamma"],
    "darken": ["hsv_shift", "rgb_shift", "hsv_gamma", "rgb_gamma"],
    "contrast_strengthen": ["scale", "stretch"],
    "contrast_weaken": ["scale", "stretch"],
    "saturate_strengthen": ["hsv", "ycrcb"],
    "saturate_weaken": ["hsv", "ycrcb"],
    "oversharpen": ["unsharp"],
    "pixelate": ["pixelate"],
    "quantization": ["otsu", "median_cut", "histogram"],
}


def test_families_and_functions_are_those_of_the_spec_in_its_order() -> None:
    assert list(FAMILIES) == list(SPEC)
    assert {family: [d.name for d in members(family)] for family in FAMILIES} == SPEC
    # 6 + 6 + 2 + 4 + 4 + 2 + 2 + 2 + 2 + 1 + 1 + 3
    assert len(DISTORTIONS) == 35


def test_an_entry_is_unique_and_has_parameters_for_each_severity() -> None:
    assert SEVERITIES == (1, 2, 3, 4, 5)
    assert len({(d.family, d.name) for d in DISTORTIONS}) == 35
    for distortion in DISTORTIONS:
        assert len(distortion.parameters) == 5, distortion
        assert len(set(distortion.parameters)) == 5, f"{distortion.name} repeats a severity"


@pytest.mark.parametrize(
    ("family", "name", "first", "last"),
    [
        # slight and catastrophic, read off the spec table a second time
        ("blur", "gaussian", (1,), (5,)),
        ("blur", "motion", (5, 3), (20, 12)),
        ("blur", "glass", (0.7, 1, 1), (1.6, 4, 2)),
        ("blur", "lens", (2,), (8,)),
        ("blur", "zoom", (1.03,), (1.21,)),
        ("blur", "jitter", (1,), (5,)),
        ("noise", "gaussian_rgb", (0.05,), (0.25,)),
        ("noise", "gaussian_ycrcb", (0.05, 1), (0.09, 2.8)),
        ("noise", "speckle", (0.14,), (0.42,)),
        ("noise", "spatially_correlated", (0.08,), (0.22,)),
        ("noise", "poisson", (80,), (15,)),
        ("noise", "impulse", (0.01,), (0.10,)),
        ("compression", "jpeg", (25,), (5,)),
        ("compression", "jpeg2000", (29,), (23,)),
        ("brighten", "hsv_shift", (0.1,), (0.5,)),
        ("brighten", "rgb_gamma", (0.8,), (0.3,)),
        ("darken", "rgb_shift", (-0.1,), (-0.35,)),
        ("darken", "hsv_gamma", (1.5,), (3.5,)),
        ("contrast_strengthen", "scale", (1.4,), (4.0,)),
        ("contrast_strengthen", "stretch", (2,), (10,)),
        ("contrast_weaken", "scale", (0.75,), (0.2,)),
        ("contrast_weaken", "stretch", (1.0,), (0.4,)),
        ("saturate_strengthen", "hsv", (3,), (64,)),
        ("saturate_strengthen", "ycrcb", (2,), (16,)),
        ("saturate_weaken", "hsv", (0.7,), (0.0,)),
        ("saturate_weaken", "ycrcb", (0.6,), (0.0,)),
        ("oversharpen", "unsharp", (2,), (8,)),
        ("pixelate", "pixelate", (0.5,), (0.2,)),
        ("quantization", "otsu", (15,), (3,)),
        ("quantization", "median_cut", (20,), (3,)),
        ("quantization", "histogram", (24,), (4,)),
    ],
)
def test_parameters_are_those_of_the_spec(
    family: str, name: str, first: tuple[float, ...], last: tuple[float, ...]
) -> None:
    (found,) = (d for d in DISTORTIONS if (d.family, d.name) == (family, name))
    assert (found.parameters[0], found.parameters[4]) == (first, last)


def test_an_unknown_family_is_refused_with_the_list() -> None:
    with pytest.raises(ValueError, match=r"'brigthen'.*blur, noise, compression, brighten"):
        members("brigthen")
