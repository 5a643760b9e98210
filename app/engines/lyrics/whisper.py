"""Lyrics by Whisper, an encoder-decoder transformer that writes down speech, sent only the passages with a voice.

Input: the vocal stem, mono, at 16 kHz. Output: words with times and probabilities, a line for each of Whisper's
segments; no lines where nothing is sung. Weights: MIT. Text and times are those of `whisper.transcribe` for each
passage, with the language found once for the whole song.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022, https://arxiv.org/abs/2212.04356.
Steps: `passages.find_passages`, `detect_language`, `passage_to_segments` (the model), `segments_to_lines`.
"""

import base64
import gzip
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from app.engines.contract import Engine, Options, Progress, samples_of, unheard
from app.engines.lyrics import RATE_HZ, UNSPACED
from app.engines.lyrics.passages import LONGEST_S, find_passages, loudest
from app.errors import WeightsBroken
from app.music import Audio, FloatArray, Lyrics, Word
from app.weights import Models

Model = Literal["tiny", "base", "small", "medium", "large-v3", "turbo"]

# whisper.tokenizer.LANGUAGES, which is slow to import.
# fmt: off
Language = Literal[
    "af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "de", "el", "en",
    "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw", "he", "hi", "hr", "ht", "hu", "hy", "id", "is",
    "it", "ja", "jw", "ka", "kk", "km", "kn", "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi", "mk", "ml", "mn",
    "mr", "ms", "mt", "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si", "sk",
    "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "uk", "ur", "uz",
    "vi", "yi", "yo", "yue", "zh",
]
# fmt: on
KNOW_CANTONESE = ("large-v3", "turbo")  # the youngest models have one language more

# A word below it is an anomaly to Whisper (`word_anomaly_score` in whisper/transcribe.py).
IMPROBABLE = 0.15
# The length of one token of audio: Whisper's times are no finer, and words it finds no time for have length 0.
SHORTEST_WORD_S = 0.02


# What torch and whisper raise for files of every other kind, cut-off ones among them.
NO_CHECKPOINT = (
    pickle.UnpicklingError,
    EOFError,
    RuntimeError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ImportError,
)


@dataclass(frozen=True)
class WhisperOptions(Options):
    """Which model listens, and for what language."""

    model: Model = "base"
    """From quick (`tiny`) to good (`large-v3`); `turbo` is nearly as good and much faster."""
    language: Language | None = None
    """ISO 639-1 code (as Whisper has them: Hawaiian is `haw`, Cantonese `yue`, Javanese `jw`), or None to find out."""

    def __post_init__(self) -> None:
        if self.language == "yue" and self.model not in KNOW_CANTONESE:
            raise ValueError(f"only {' and '.join(KNOW_CANTONESE)} know the language yue")


def detect_language(model: Any, samples: FloatArray) -> str:
    """The most probable language of (samples,), of which the first 30 s count, as `whisper.transcribe` finds it."""
    import whisper
    from whisper.audio import N_FRAMES, N_SAMPLES

    mel = whisper.log_mel_spectrogram(samples, model.dims.n_mels, padding=N_SAMPLES)
    _, probabilities = model.detect_language(whisper.pad_or_trim(mel, N_FRAMES).to(model.device))
    return max(probabilities, key=probabilities.get)


def passage_to_segments(model: Any, samples: FloatArray, language: str) -> list[Mapping[str, Any]]:
    """What `whisper.transcribe` makes of (samples,): segments with words, their times from the passage's start.

    The thresholds are whisper's defaults, written out because they are what keeps invented text away: a window that
    most likely holds no speech and in which the text is improbable too is dropped, and a text that is improbable or
    repeats itself is tried again at higher temperatures. Text is not carried from window to window: an error would be.
    """
    import whisper

    with _reproducible(model.device), _without_warnings():
        transcript = whisper.transcribe(
            model,
            samples,
            language=language,
            word_timestamps=True,
            condition_on_previous_text=False,
            no_speech_threshold=0.6,
            logprob_threshold=-1.0,
            compression_ratio_threshold=2.4,
            fp16=model.device.type == "cuda",
        )
    segments: list[Mapping[str, Any]] = transcript["segments"]
    return segments


def segments_to_lines(segments: Sequence[Mapping[str, Any]], onset_s: float, language: str) -> list[tuple[Word, ...]]:
    """The words of each segment of a passage that starts at `onset_s`, without segments that are all guesswork."""
    lines = [_line(segment["words"], onset_s, language) for segment in segments]
    return [line for line in lines if any(word.confidence >= IMPROBABLE for word in line)]


class Whisper(Engine[Audio, Lyrics, WhisperOptions]):
    task = "lyrics"
    name = "whisper"
    version = f"1+openai-whisper-{metadata.version('openai-whisper')}"
    options_type = WhisperOptions

    def __init__(self, options: WhisperOptions, models: Models, device: str = "cpu") -> None:
        super().__init__(options, models, device)
        self._model = _load(options, models).to(device)

    @classmethod
    def weights(cls, options: WhisperOptions) -> str:
        return f"whisper-{options.model}"

    def run(self, inputs: Sequence[Audio], options: WhisperOptions, progress: Progress = unheard) -> list[Lyrics]:
        """The words of each input. Progress is told, and may raise, before each passage."""
        recordings = [samples_of(audio, RATE_HZ) for audio in inputs]
        found: list[Lyrics] = []
        for samples in recordings:
            found.append(self._listen(samples, options.language, _part(progress, len(found), len(recordings))))
        progress(1.0)
        return found

    def _listen(self, samples: FloatArray, language: str | None, progress: Progress) -> Lyrics:
        passages = find_passages(samples, RATE_HZ)
        if not passages:
            return Lyrics(None, ())
        language = language or detect_language(self._model, loudest(samples, passages, round(LONGEST_S * RATE_HZ)))
        lines: list[tuple[Word, ...]] = []
        for done, passage in enumerate(passages):
            progress(done / len(passages))
            segments = passage_to_segments(self._model, samples[passage.start : passage.stop], language)
            lines += segments_to_lines(segments, passage.start / RATE_HZ, language)
        return Lyrics(language if lines else None, tuple(lines))


def _part(progress: Progress, index: int, count: int) -> Progress:
    """What the `index`th of `count` equal parts of the work tells of its own progress."""
    return lambda fraction: progress((index + fraction) / count)


# Words


def _line(words: Sequence[Mapping[str, Any]], onset_s: float, language: str) -> tuple[Word, ...]:
    """Whisper's words, each with the space before it, to ours without. What follows without one is the same word.

    So `well`, `-known` and `twenty`, `-first`, which Whisper takes apart at the hyphen, become one again.
    """
    line: list[Word] = []
    for heard in words:
        word = _word(heard, onset_s)
        if line and language not in UNSPACED and not heard["word"].startswith(" "):
            line[-1] = _fused(line[-1], word)
        elif word.text:
            line.append(word)
    return tuple(line)


def _word(heard: Mapping[str, Any], onset_s: float) -> Word:
    """On the song's time, in milliseconds: Whisper's own are rounded to 10 ms, and a sum of floats shows."""
    start_s = float(heard["start"])
    stop_s = max(float(heard["end"]), start_s + SHORTEST_WORD_S)
    return Word(
        onset_s=round(onset_s + start_s, 3),
        offset_s=round(onset_s + stop_s, 3),
        text=heard["word"].strip(),
        confidence=float(heard["probability"]),
    )


def _fused(first: Word, second: Word) -> Word:
    """Two parts of one word, no surer than the less sure of them."""
    confidence = min(first.confidence, second.confidence)
    return Word(first.onset_s, max(first.offset_s, second.offset_s), first.text + second.text, confidence)


# The model


def _load(options: WhisperOptions, models: Models) -> Any:
    """The model, on the CPU. Raises `WeightsMissing` or `WeightsBroken`."""
    name = Whisper.weights(options)
    path = models.path(name)
    import whisper

    try:
        model = whisper.load_model(str(path), device="cpu")
    except NO_CHECKPOINT as error:
        reason = f"{path.name} cannot be loaded ({type(error).__name__})"
        raise WeightsBroken(weights=name, models_dir=path.parent, reason=reason) from error
    _set_alignment_heads(model, options.model)
    with warnings.catch_warnings():
        # The tokenizer is read now, once and for all: whisper leaves its file to be closed whenever.
        warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
        whisper.tokenizer.get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    return model


def _set_alignment_heads(model: Any, name: str) -> None:
    """Time words by the attention heads found to follow them, which whisper itself sets only for what it downloads.

    A model of another size, trained by somebody else, keeps the default: all heads of the upper half.
    """
    from whisper import _ALIGNMENT_HEADS

    chosen = _ALIGNMENT_HEADS[name]
    if len(gzip.decompress(base64.b85decode(chosen))) == model.dims.n_text_layer * model.dims.n_text_head:
        model.set_alignment_heads(chosen)


@contextmanager
def _reproducible(device: Any) -> Iterator[None]:
    """Whisper draws at random at temperatures above 0. The same draw every time, and nobody else's numbers changed."""
    import torch

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The device was chosen on purpose, and where kernels cannot be compiled Whisper has slower ones."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Performing inference on CPU when CUDA is available", UserWarning)
        warnings.filterwarnings("ignore", "Failed to launch Triton kernels", UserWarning)
        yield
