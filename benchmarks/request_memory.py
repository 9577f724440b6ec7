"""How much memory building a request with a picture takes, against the size of the picture's base64 text.

python benchmarks/request_memory.py [--json FILE]

Each case runs in a fresh process, a few times. There, everything is imported and a small request is built first, so
that neither code nor Pillow's tables count; then the peak of the resident memory is reset and the request of a picture
of about 4 MB is built to its last byte (head and body), as the client does it. Counted is the growth over what the
process had before, the picture itself left out where the caller has it as bytes already. The request's picture is
decoded and compared before a figure counts.

The peak is the kernel's (VmHWM), so C libraries count too; Linux only.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from nai_trio.params import ImageParams
from nai_trio.protocol import ImageExchange

LIMIT = 3.0
RUNS = 3
GRAIN = 40
MB = 1_000_000

CASES: dict[str, dict[str, Any]] = {
    "PNG that fits, as bytes": {"kind": "PNG", "mode": "RGB", "size": (1408, 1408), "target": (1408, 1408)},
    "PNG that fits, as a file": {
        "kind": "PNG",
        "mode": "RGB",
        "size": (1408, 1408),
        "target": (1408, 1408),
        "file": True,
    },
    "opaque RGBA PNG that fits": {"kind": "PNG", "mode": "RGBA", "size": (1408, 1408), "target": (1408, 1408)},
    "transparent PNG, flattened": {
        "kind": "PNG",
        "mode": "RGBA",
        "size": (1408, 1408),
        "target": (1408, 1408),
        "hole": True,
    },
    "PNG, resized": {"kind": "PNG", "mode": "RGB", "size": (1408, 1408), "target": (832, 832), "file": True},
    "JPEG of a camera, resized": {
        "kind": "JPEG",
        "mode": "RGB",
        "size": (4000, 3000),
        "target": (1152, 896),
        "file": True,
    },
}


def picture(case: dict[str, Any]) -> bytes:
    """A picture of about 4 MB: soft shapes under grain, as the service's pictures are."""
    size = case["size"]
    ramps = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90), Image.radial_gradient("L")]
    smooth = Image.merge("RGB", [ramp.resize(size) for ramp in ramps])
    grain = Image.frombytes("L", size, random.Random(7).randbytes(size[0] * size[1])).point(
        lambda value: value * GRAIN // 255
    )
    image = ImageChops.add(smooth, Image.merge("RGB", (grain, grain, grain)), offset=-GRAIN // 2)
    if case["mode"] == "RGBA":
        image.putalpha(255)
        if case.get("hole"):
            image.paste((0, 0, 0, 0), (0, 0, 200, 200))
    buffer = io.BytesIO()
    options = {"quality": 92} if case["kind"] == "JPEG" else {}
    image.save(buffer, case["kind"], **options)
    return buffer.getvalue()


def build(source: Any, target: tuple[int, int]) -> bytes:
    """The whole request for an image-to-image generation."""
    params = ImageParams("cat", i2i={"image": source}, size=target, seed=1)
    body = params.to_json(stream="msgpack")
    exchange = ImageExchange(params, api_key="pst-not-a-real-key", host="localhost", stream="msgpack", body=body)
    return exchange.data_to_send()


def memory(name: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1]) * 1024


def measure(case: dict[str, Any], path: str) -> None:
    """In a process of its own: build once small, once for good; print the growth."""
    small = io.BytesIO()
    Image.new("RGBA", (70, 70), (1, 2, 3, 4)).save(small, "PNG")
    build(small.getvalue(), (64, 64))
    source: Any = path if case.get("file") else Path(path).read_bytes()
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    request = build(source, tuple(case["target"]))
    growth = memory("VmHWM") - before
    sent = base64.b64decode(json.loads(request.partition(b"\r\n\r\n")[2])["parameters"]["image"])
    check(case, Path(path).read_bytes(), sent)
    print(json.dumps({"growth": growth, "request": len(request)}))


def check(case: dict[str, Any], given: bytes, sent: bytes) -> None:
    image = Image.open(io.BytesIO(sent))
    image.load()
    assert image.format == "PNG"
    assert list(image.size) == list(case["target"])
    untouched = case["kind"] == "PNG" and case["size"] == case["target"] and not case.get("hole")
    assert (sent == given) == untouched


def run(name: str, folder: Path) -> dict[str, Any]:
    case = CASES[name]
    data = picture(case)
    path = folder / f"{len(data)}.{case['kind'].lower()}"
    path.write_bytes(data)
    command = [sys.executable, __file__, "--measure", name, str(path)]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(RUNS)]
    growth = statistics.median(json.loads(output)["growth"] for output in outputs)
    base64_size = -(-len(data) // 3) * 4
    return {
        "case": name,
        "picture": len(data),
        "base64": base64_size,
        "request": json.loads(outputs[0])["request"],
        "growth": growth,
        "ratio": growth / base64_size,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(CASES[arguments.measure[0]], arguments.measure[1])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = [run(name, Path(folder)) for name in CASES]
    print(f"{'source':28} {'picture':>9} {'base64':>9} {'request':>9} {'peak':>9}  peak / base64 (at most {LIMIT:g})")
    for row in rows:
        sizes = " ".join(f"{row[column] / MB:6.2f} MB" for column in ("picture", "base64", "request", "growth"))
        print(f"{row['case']:28} {sizes}  {row['ratio']:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return int(any(row["ratio"] > LIMIT for row in rows))


if __name__ == "__main__":
    sys.exit(main())
