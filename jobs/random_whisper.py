"""A Whisper of real architecture, with random weights that write words which depend on what it hears.

For measuring and testing where the real weights cannot be had.

Its weights are random but for three things. The decoder's positional embedding points, at each place of the text, at a
few tokens that may come there (a script), so that it writes words and not noise; which of them it takes is decided by
cross-attention to the audio. The encoder has no positional embedding, so that attention follows the sound.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

TINY = {"state": 64, "audio_heads": 2, "audio_layers": 1, "text": 28, "text_heads": 2, "text_layers": 2}
BASE = {"state": 512, "audio_heads": 8, "audio_layers": 6, "text": 448, "text_heads": 8, "text_layers": 6}
"""The shape of the released `base` (74 million parameters): https://github.com/openai/whisper, model-card.md."""
TOKEN_NORM = 6.0  # of tokens in the script; the others have 0.4


def save(path: Path, certainty: float = 14.0, shape: Mapping[str, int] = TINY, **changes: int) -> Path:
    """Write it as whisper's checkpoints are. At `certainty` 14 it is mostly sure of its words, at 6 it is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {**shape, **changes}
    audio = (size["state"], size["audio_heads"], size["audio_layers"])
    text = (size["text"], size["state"], size["text_heads"], size["text_layers"])
    dims = ModelDimensions(80, 1500, *audio, 51865, *text)
    torch.manual_seed(2)  # of the seeds tried, the one whose text varies most with the sound
    model = Whisper(dims)
    with torch.no_grad():
        _prepare(model, certainty)
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, path)
    return path


def _prepare(model: Whisper, certainty: float) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)  # the tokenizer's, in whisper
        script = _script(get_tokenizer(multilingual=True))
    tokens = model.decoder.token_embedding.weight
    tokens.normal_(std=0.05)
    for token in {token for place in script for token in place}:
        tokens[token] *= TOKEN_NORM / tokens[token].norm()
    places = model.decoder.positional_embedding
    places.zero_()
    for place, choices in enumerate(script):
        direction = tokens[choices].sum(dim=0)
        places[place] = certainty * direction / direction.norm()
    for block in model.decoder.blocks:
        block.cross_attn.key.weight *= 2 * certainty  # sharp attention
        block.cross_attn.out.weight *= 8
    model.encoder.positional_embedding.zero_()
    for convolution in (model.encoder.conv1, model.encoder.conv2):
        convolution.weight *= 4
    for block in model.encoder.blocks:
        block.attn.out.weight *= 0.1  # what is heard stays in its place
        block.attn.out.bias.zero_()


def _script(tokenizer: Tokenizer) -> list[list[int]]:
    """The tokens that may follow at each place; one that is named twice weighs twice as much.

    Whisper times words with their timestamps left out, so that the second line's words come two places earlier then.
    """
    german, english = (tokenizer.to_language_token(language) for language in ("de", "en"))
    first, middle, last = (tokenizer.timestamp_begin + round(at_s / 0.02) for at_s in (0.0, 0.6, 1.2))
    love, me, tender, never, let = (
        [tokenizer.encode(word)[0] for word in words]
        for words in ((" love", " hate"), (" me", " you"), (" tender", " now"), (" never", " always"), (" let", " go"))
    )
    return [
        [german, english],
        [tokenizer.transcribe],
        [first],
        love,
        me,
        tender,
        [middle, middle, *never],
        [middle, *let],
        never,
        let,
        [last],
        [tokenizer.eot],
    ]
