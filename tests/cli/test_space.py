"""Whether the disk has room for what will come: how much is wanted, and what is said where it is too little."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from drawn import drawing, encoded

from nai_trio import ControlNet, ImageParams, Vibe
from nai_trio.cli.exit_codes import OutputError
from nai_trio.cli.files import Targets
from nai_trio.cli.job import EMULATOR_KEY, Job, Service
from nai_trio.cli.space import check_space, wanted_space

PARAMS = ImageParams("1girl", size=(64, 128), steps=5, n_samples=3)
PIXELS = 64 * 128
MARGIN = 64 * 1024
PICTURES = 3 * (4 * PIXELS + MARGIN)
PREVIEWS = 3 * 5 * PIXELS


def wanted(params: ImageParams = PARAMS, *, previews: Path | None = None, **service: Any) -> list[tuple[Path, int]]:
    job = Job(params=params, stream="sse", service=Service(api_key=EMULATOR_KEY, **service))
    return wanted_space(job, Targets(output=Path("to/out.png"), samples=3, expected="png", previews=previews))


def test_pictures_want_what_their_pixels_take_uncompressed() -> None:
    assert wanted() == [(Path("to"), PICTURES)]


def test_previews_and_a_tape_want_room_of_their_own() -> None:
    found = wanted(previews=Path("steps"), record=Path("tapes/a.tape"))
    assert found == [(Path("to"), PICTURES), (Path("steps"), PREVIEWS), (Path("tapes"), (PICTURES + PREVIEWS) * 4 // 3)]


def test_a_cache_wants_room_where_there_is_something_to_keep(tmp_path: Path) -> None:
    picture = encoded(drawing((64, 64)))
    params = PARAMS.replace(controlnet=ControlNet([Vibe(picture)] * 2), model="nai-diffusion-4-5-full")
    assert wanted(params, vibe_cache=tmp_path) == [(Path("to"), PICTURES), (tmp_path, 2 * MARGIN)]
    assert wanted(vibe_cache=tmp_path) == [(Path("to"), PICTURES)]
    more = wanted(params, record=Path("tapes/a.tape"))[1][1] - wanted(record=Path("tapes/a.tape"))[1][1]
    assert more == pytest.approx(4 * PIXELS * 4 / 3, abs=1)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the disk says that it has; as it is on the machine until a test says otherwise."""
    said: dict[str, Any] = {}
    really = shutil.disk_usage

    def disk_usage(path: Path) -> Any:
        if "error" in said:
            raise said["error"]
        return shutil._ntuple_diskusage(*said["usage"]) if said else really(path)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    return said


def test_there_is_room_where_there_is_just_enough(tmp_path: Path, free: dict[str, Any]) -> None:
    check_space([(tmp_path, 1)])
    free["usage"] = (10**9, 10**9, 5_000_000)
    check_space([(tmp_path, 5_000_000)])
    with pytest.raises(OutputError) as caught:
        check_space([(tmp_path, 5_000_001)])
    assert str(caught.value) == f"not enough room in {tmp_path}: up to 5.0 MB wanted, 5.0 MB free"


def test_folders_on_one_disk_share_its_room(tmp_path: Path, free: dict[str, Any]) -> None:
    (tmp_path / "steps").mkdir()
    free["usage"] = (10**9, 10**9, 2_500_000)
    with pytest.raises(OutputError, match=r"up to 3\.0 MB wanted, 2\.5 MB free"):
        check_space([(tmp_path, 1_000_000), (tmp_path / "steps", 2_000_000)])


@pytest.mark.parametrize("said", [{"usage": (0, 0, 0)}, {"error": OSError(38, "Function not implemented")}])
def test_a_file_system_that_does_not_say_is_not_in_the_way(
    tmp_path: Path, free: dict[str, Any], said: dict[str, Any]
) -> None:
    free |= said
    check_space([(tmp_path, 10**15)])
