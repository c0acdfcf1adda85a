"""Pack the pictures that the painter's vocabulary names, from an unpacked `@lobehub/fluent-emoji-3d`.

    python scripts/prepare_painter_assets.py PACKAGE_FOLDER

Needs Pillow, which the painter itself does not. Rule: what the vocabulary does not name
is not shipped, and every picture is cut to its own outline.
"""

import sys
import tomllib
from io import BytesIO
from pathlib import Path

from PIL import Image

ASSETS = Path(__file__).parent.parent / "src" / "impasto" / "painter" / "assets"
HEADS = {
    "fox": "1f98a",
    "wolf": "1f43a",
    "bear": "1f43b",
    "polar bear": "1f43b-200d-2744-fe0f",
    "panda": "1f43c",
    "lion": "1f981",
    "raccoon": "1f99d",
    "koala": "1f428",
    "unicorn": "1f984",
    "hamster": "1f439",
    "frog": "1f438",
}

WINE_GLASS = "1f377"
"""Away from the table the wine glass is a packaged picture."""


def wanted() -> set[str]:
    """The code points that the vocabulary names, and the heads of animals whose bodies are drawn."""
    vocabulary = tomllib.loads((ASSETS / "vocabulary.toml").read_text(encoding="utf-8"))
    lines = [line for kind, nouns in vocabulary.items() if kind not in ("plurals", "homes") for line in nouns.values()]
    return {line[0] for line in lines if not line[0].startswith("drawn:")} | set(HEADS.values()) | {WINE_GLASS}


def packed(picture: Path) -> bytes:
    """The picture cut to its outline, as a small WebP."""
    image = Image.open(picture).convert("RGBA")
    image = image.crop(image.getchannel("A").getbbox())
    out = BytesIO()
    image.save(out, "WEBP", quality=88, alpha_quality=95, method=6)
    return out.getvalue()


def main(package: Path) -> None:
    """Write assets/pictures/; say what is missing."""
    target = ASSETS / "pictures"
    target.mkdir(exist_ok=True)
    for old in target.glob("*.webp"):
        old.unlink()
    for code in sorted(wanted()):
        source = package / "assets" / f"{code}.webp"
        if not source.exists():
            sys.exit(f"no picture for {code} in {package}")
        (target / f"{code}.webp").write_bytes(packed(source))
    sizes = [path.stat().st_size for path in target.glob("*.webp")]
    sys.stdout.write(f"{len(sizes)} pictures, {sum(sizes) / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
