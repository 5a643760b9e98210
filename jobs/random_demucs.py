"""Demucs of real architecture, with random weights, in its library's own format.

For measuring and testing where the real weights cannot be had: the arithmetic and the code are the same, the music is
not.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

REAL = {"channels": 48, "bottom_channels": 512, "t_layers": 5, "segment": Fraction(39, 5)}
"""The released htdemucs (42 million parameters): https://github.com/facebookresearch/demucs, signature 955717e8."""
SMALL = {"channels": 8, "bottom_channels": 16, "t_layers": 2, "t_heads": 2, "segment": Fraction(11, 10)}


def save(models_dir: Path, name: str, shape: Mapping[str, Any]) -> None:
    """HTDemucs, as demucs's own training saves it: `signature-checksum.th`, and a bag that lists the signature."""
    import torch
    from demucs.htdemucs import HTDemucs
    from demucs.states import get_state, save_with_checksum

    torch.manual_seed(1)
    model = HTDemucs(sources=["drums", "bass", "other", "vocals"], **shape).eval()
    args, kwargs = model._init_args_kwargs
    folder = models_dir / "demucs"
    folder.mkdir(parents=True, exist_ok=True)
    package = {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": get_state(model, None)}
    save_with_checksum(package, folder / "abcd0001.th")
    (folder / f"{name}.yaml").write_text("models: [abcd0001]\n")
