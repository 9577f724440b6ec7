"""Pictures as a user has them and as the service wants them.

    bytes, path, Pillow image --source--> ImageSource --canvas--> PNG bytes of the right size

- `header` tells format and size from the first bytes; `source` holds a picture in whatever form it was given;
  `canvas` makes it fit, with Pillow; `metadata` reads what the service wrote into a finished picture.

No network, no runtime, no parameters: files are read and Pillow works in the calling thread.
"""

from __future__ import annotations

from nai_trio.pictures.header import PictureFormat, PictureHeader, read_header
from nai_trio.pictures.source import ImageInput, ImageSource

__all__ = ["ImageInput", "ImageSource", "PictureFormat", "PictureHeader", "read_header"]
