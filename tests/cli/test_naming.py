"""Who is blamed for what: the option, the file, or the picture that a value came from."""

from __future__ import annotations

from pathlib import Path

from asking import refused, write

from nai_trio.cli.naming import Naming, Origin, flag_origin


def test_blame_falls_on_whoever_set_the_value(folder: Path, like: Path) -> None:
    file = write(folder / "p.json", {"i2i": {"image": "red.png"}, "steps": 99, "smea": True})
    assert refused("x", "--params", file).startswith(f"{file}: steps: expected an integer from 1 to 50, got 99")
    assert refused("x", "--params", file, "--steps", 88) == "--steps: expected an integer from 1 to 50, got 88"
    assert refused("x", "--params", file, "--steps", 8).startswith(f"{file}: smea: expected False with")
    assert refused("x", "--params", file, "--strength", 8).startswith("--strength: expected")
    assert refused("--like", like, "--model", "nai-diffusion-3").startswith(f"{like}: characters: expected at most 0")
    inpaint = ("--inpaint", "inner/red.png", "--mask", "inner/red.png")
    assert refused("x", "--params", file, *inpaint).startswith(f"{file}: i2i and --inpaint exclude each other")


def test_the_nearest_known_place_around_a_field_names_it() -> None:
    naming = Naming()
    naming.set_all(["i2i", "characters"], "p.toml")
    naming.set("i2i.strength", flag_origin("--strength"))
    assert naming.of("i2i.strength") == "--strength"
    assert naming.of("i2i.image") == "p.toml: i2i.image"
    assert naming.of("characters[1].position") == "p.toml: characters[1].position"
    naming.set("characters", flag_origin("--character"))
    naming.set("characters[1]", flag_origin("--character", 1))
    assert naming.of("characters[1].negative_prompt") == "--character (the 2nd): negative"
    assert naming.of("controlnet") == "--vibe"
    assert naming.of("something.else") == "something.else"
    assert naming.origin("i2i.image") == Origin("p.toml: i2i.image", option=False)
