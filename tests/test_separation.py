"""Both separators: what demucs itself gives on the same weights, and what is known of the sounds that went in."""

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import app.engines.separation.spectral as module
from app.engines.contract import Engine, Progress, unheard
from app.engines.registry import Choice, choose, read_choice
from app.engines.separation.demucs import Demucs, DemucsOptions
from app.engines.separation.spectral import Spectral, SpectralOptions
from app.errors import BadAudio, JobCancelled, NoEngine, UnknownOption, WeightsBroken
from app.music import STEMS, Audio, FloatArray, Recording, Stems
from app.weights import Models

RATE_HZ = 44_100
FOUR = ["drums", "bass", "other", "vocals"]


# Sounds


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> FloatArray:
    frames = int(seconds * RATE_HZ)
    return np.random.default_rng(seed).normal(0.02, level, (2, frames)).astype(np.float32)


def sine(seconds: float, hz: float, level: float = 0.3) -> FloatArray:
    wave = level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)
    return np.stack([wave, wave]).astype(np.float32)


def audio(samples: FloatArray) -> Audio:
    return Audio(samples, RATE_HZ)


@dataclass
class Oddly:
    """A recording whose reader gives blocks of its own size, whatever is asked for, and counts what it reads."""

    samples: FloatArray
    block: int
    rate_hz: int = RATE_HZ
    read: int = 0

    @property
    def channels(self) -> int:
        return self.samples.shape[0]

    @property
    def frames(self) -> int:
        return self.samples.shape[1]

    def blocks(self, frames: int) -> Iterator[FloatArray]:
        for start in range(0, self.frames, self.block):
            self.read += 1
            yield self.samples[:, start : start + self.block]


# Networks: demucs's real architecture, small, with random weights, in demucs's own files


def save(folder: Path, name: str, models: Mapping[str, torch.nn.Module], extra: str = "") -> None:
    """Write a bag as demucs's own training does: `signature-checksum.th` for each model, and their list."""
    from demucs.states import get_state, save_with_checksum

    folder.mkdir(parents=True, exist_ok=True)
    for signature, model in models.items():
        args, kwargs = model._init_args_kwargs  # type: ignore[misc]
        package = {"klass": type(model), "args": args, "kwargs": kwargs, "state": get_state(model, None)}
        save_with_checksum(package, folder / f"{signature}.th")
    (folder / f"{name}.yaml").write_text(f"models: {list(models)}\n{extra}")


def transformer(seed: int, **changes: Any) -> torch.nn.Module:
    """HTDemucs, which is always given whole segments, here of 1.1 s."""
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    small = {"channels": 8, "t_layers": 2, "t_heads": 2, "bottom_channels": 16, "segment": Fraction(11, 10)}
    return HTDemucs(**{"sources": FOUR, **small, **changes}).eval()


def hybrid(seed: int, segment: float, sources: Sequence[str] = FOUR) -> torch.nn.Module:
    """HDemucs, which takes the last segment as short as it is."""
    from demucs.hdemucs import HDemucs

    torch.manual_seed(seed)
    return HDemucs(sources=list(sources), channels=8, segment=segment).eval()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small networks are slower on several threads, and much slower where other work keeps the cores busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A folder of models, as a user has it, with small ones under the names of the big ones."""
    folder = tmp_path_factory.mktemp("models")
    demucs = folder / "demucs"
    save(demucs, "htdemucs", {"aaaa0001": transformer(1)})
    save(
        demucs,
        "htdemucs_ft",
        {"aaaa0002": transformer(2), "aaaa0003": transformer(3)},
        "weights: [[1., 0., .5, 2.], [0., 1., .5, 1.]]",
    )
    save(demucs, "htdemucs_6s", {"aaaa0004": transformer(4, sources=[*STEMS]), "bbbb0003": hybrid(3, 0.8, [*STEMS])})
    save(demucs, "mdx_extra", {"bbbb0001": hybrid(1, 9.0), "bbbb0002": hybrid(2, 9.0)}, "segment: 1.3")
    return Models(folder)


def demucs(models: Models, **options: Any) -> Demucs:
    chosen = choose("separation", Choice("demucs", tuple(options.items())), models)
    engine = chosen.engine(chosen.options, models)
    assert isinstance(engine, Demucs)
    return engine


def separate(
    engine: Engine[Any, Any, Any], *recordings: Recording, progress: Progress = unheard, **options: Any
) -> list[dict[str, FloatArray]]:
    """Every stem of every recording, whole."""
    stems = engine.run(list(recordings), engine.options_type(**options), progress)
    return [whole(one) for one in stems]


def whole(stems: Stems) -> dict[str, FloatArray]:
    blocks = list(stems.blocks)
    for block in blocks:
        assert tuple(block) == stems.names
        assert len({samples.shape for samples in block.values()}) == 1
        assert {samples.dtype for samples in block.values()} == {np.dtype(np.float32)}
    empty = np.zeros((2, 0), np.float32)
    return {name: np.concatenate([empty, *(block[name] for block in blocks)], axis=1) for name in stems.names}


def by_demucs(models: Models, name: str, samples: FloatArray, overlap: float) -> dict[str, FloatArray]:
    """What demucs's own program gives without random shifts."""
    from demucs.api import Separator

    separator = Separator(name, repo=models.path(name), device="cpu", shifts=0, overlap=overlap)
    _, stems = separator.separate_tensor(torch.from_numpy(samples))
    return {stem: found.numpy() for stem, found in stems.items()}


def same(one: Mapping[str, FloatArray], other: Mapping[str, FloatArray], tolerance: float) -> bool:
    assert list(one) == list(other)
    assert max(float(np.abs(stem).max()) for stem in other.values()) > 0.01, "there is something to compare"
    return all(np.abs(one[name] - other[name]).max() <= tolerance for name in other)


# Demucs


@pytest.mark.parametrize("seconds", [3.0, 0.3], ids=["several segments", "less than one"])
@pytest.mark.parametrize(
    ("name", "overlap"),
    [
        ("htdemucs", 0.25),
        ("htdemucs", 0.0),
        ("htdemucs", 0.7),
        ("htdemucs_ft", 0.25),
        ("htdemucs_6s", 0.25),
        ("mdx_extra", 0.25),
    ],
)
def test_demucs_gives_what_demucs_itself_gives(models: Models, name: str, overlap: float, seconds: float) -> None:
    samples = noise(seconds)
    [found] = separate(demucs(models, model=name), audio(samples), model=name, overlap=overlap)
    assert same(found, by_demucs(models, name, samples, overlap), 1e-4)


@pytest.mark.parametrize("name", ["htdemucs", "mdx_extra"])
def test_demucs_takes_a_last_segment_of_one_frame(models: Models, name: str) -> None:
    stride = {"htdemucs": int(0.75 * 48_510), "mdx_extra": int(0.75 * 57_330)}[name]
    samples = noise(3)[:, : stride + 1]
    [found] = separate(demucs(models, model=name), audio(samples), model=name)
    assert same(found, by_demucs(models, name, samples, 0.25), 1e-4)


def test_demucs_does_not_mind_how_its_input_comes_in_blocks(models: Models) -> None:
    engine, samples = demucs(models), noise(3)
    [expected] = separate(engine, audio(samples))
    for block in (777, 48_510, 10**9):
        [found] = separate(engine, Oddly(samples, block))
        assert same(found, expected, 0)


def test_demucs_in_batches_gives_the_same_as_one_by_one(models: Models) -> None:
    """As on a GPU, where several segments go through the network at once."""
    for name in ("htdemucs", "mdx_extra"):
        engine, samples = demucs(models, model=name), noise(4)
        [expected] = separate(engine, audio(samples), model=name)
        engine.batch_s = 4.0
        [found] = separate(engine, audio(samples), model=name)
        assert same(found, expected, 1e-5)


def test_demucs_reads_ahead_no_further_than_a_segment(models: Models) -> None:
    recording = Oddly(noise(6), block=4410)
    [stems] = demucs(models).run([recording], DemucsOptions())
    already = recording.read
    assert already == 60, "read once, to check and to measure it"
    next(stems.blocks)
    assert recording.read - already <= 12, "1.1 s are 11 blocks"


def test_demucs_stops_at_the_segment_in_which_it_is_cancelled(models: Models) -> None:
    engine, calls, told = demucs(models), [], []
    engine.bag.models[0].register_forward_hook(lambda *_: calls.append(1))

    def cancel_at_the_second(fraction: float) -> None:
        told.append(fraction)
        if len(told) == 2:
            raise JobCancelled

    [stems] = engine.run([audio(noise(6))], DemucsOptions(), cancel_at_the_second)
    with pytest.raises(JobCancelled):
        list(stems.blocks)
    assert len(calls) == 2
    assert not list(stems.blocks)


def test_demucs_knows_its_versions(models: Models) -> None:
    import demucs as library

    identity = Demucs.identity(DemucsOptions(model="htdemucs_ft"), models)
    assert library.__version__ in identity.version
    assert identity.weights == f"htdemucs_ft@{models.fingerprint('htdemucs_ft')}"


@pytest.mark.parametrize("name", ["aaaa0001-00000000.th", "aaaa0001.th"], ids=["checksum", "content"])
def test_demucs_names_weights_that_cannot_be_loaded(tmp_path: Path, name: str) -> None:
    (tmp_path / "demucs").mkdir()
    (tmp_path / "demucs" / "htdemucs.yaml").write_text("models: [aaaa0001]")
    (tmp_path / "demucs" / name).write_bytes(b"no model")
    with pytest.raises(WeightsBroken, match="htdemucs"):
        demucs(Models(tmp_path))


def test_demucs_refuses_weights_made_for_another_rate(tmp_path: Path) -> None:
    save(tmp_path / "demucs", "htdemucs", {"aaaa0001": transformer(1, samplerate=48_000)})
    with pytest.raises(WeightsBroken, match="48000 Hz"):
        demucs(Models(tmp_path))


def test_without_weights_the_spectral_engine_is_chosen_and_it_is_said_why(tmp_path: Path) -> None:
    chosen = choose("separation", Choice(), Models(tmp_path))
    assert chosen.engine is Spectral
    assert "python -m app.weights fetch htdemucs" in chosen.instead_of
    with pytest.raises(NoEngine, match=r"python -m app\.weights fetch htdemucs_ft"):
        choose("separation", Choice("demucs", (("model", "htdemucs_ft"),)), Models(tmp_path))


@pytest.mark.parametrize("overlap", [-0.1, 0.95, 1.0, float("nan")])
def test_an_overlap_that_would_never_end_is_refused(overlap: float) -> None:
    with pytest.raises(UnknownOption):
        read_choice("separation", {"engine": "demucs", "overlap": overlap})


# Both


@pytest.fixture(params=["demucs", "spectral"])
def engine(request: pytest.FixtureRequest, models: Models) -> Engine[Any, Any, Any]:
    chosen = choose("separation", Choice(request.param), models)
    return chosen.engine(chosen.options, models)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_audio_that_is_no_number_is_refused_before_any_work(engine: Engine[Any, Any, Any], bad: float) -> None:
    samples = noise(1)
    samples[1, -1] = bad
    with pytest.raises(BadAudio, match="not finite"):
        engine.run([audio(noise(1)), audio(samples)], engine.options_type())


@pytest.mark.parametrize("recording", [Audio(noise(1)[:1], RATE_HZ), Audio(noise(1), 48_000)], ids=["mono", "48 kHz"])
def test_another_format_is_refused(engine: Engine[Any, Any, Any], recording: Audio) -> None:
    with pytest.raises(BadAudio, match="2 channels at 44100 Hz"):
        engine.run([recording], engine.options_type())


def test_nothing_gives_empty_stems(engine: Engine[Any, Any, Any]) -> None:
    assert engine.run([], engine.options_type()) == []
    [found] = separate(engine, audio(np.zeros((2, 0), np.float32)))
    assert {stem.shape for stem in found.values()} == {(2, 0)}


@pytest.mark.parametrize("level", [0.0, 0.5], ids=["silence", "direct current"])
def test_a_recording_without_sound_gives_stems_without_sound(engine: Engine[Any, Any, Any], level: float) -> None:
    [found] = separate(engine, audio(np.full((2, 50_000), level, np.float32)))
    for stem in found.values():
        assert stem.shape == (2, 50_000)
        assert np.isfinite(stem).all()
        assert level > 0 or np.abs(stem).max() < 1e-5  # -100 dB


@pytest.mark.parametrize("frames", [1, 2, 100])
def test_a_click_of_a_recording_has_stems_of_its_length(engine: Engine[Any, Any, Any], frames: int) -> None:
    [found] = separate(engine, audio(noise(1)[:, :frames]))
    for stem in found.values():
        assert stem.shape == (2, frames)
        assert np.isfinite(stem).all()


def test_a_batch_gives_the_same_as_its_items_and_counts_as_one(engine: Engine[Any, Any, Any]) -> None:
    inputs = [audio(noise(2.5, seed=1)), audio(noise(0.2, seed=2)), audio(sine(1.5, 440))]
    told: list[float] = []
    together = separate(engine, *inputs, progress=told.append)
    for recording, found in zip(inputs, together, strict=True):
        [alone] = separate(engine, recording)
        assert same(found, alone, 0)
    assert told == sorted(told)
    assert told[-1] == 1
    assert 0 < told[0] < 1


# Spectral


@pytest.fixture(scope="module")
def spectral() -> Spectral:
    return Spectral(SpectralOptions(), Models(Path("nowhere")))


def share_db(stem: FloatArray, mixture: FloatArray) -> float:
    """The stem's power by the mixture's."""
    return 10 * float(
        np.log10((stem.astype(np.float64) ** 2).mean() / (mixture.astype(np.float64) ** 2).mean() + 1e-20)
    )


def strokes(seconds: float) -> FloatArray:
    """Quarters at 100 bpm: 10 ms of noise that dies away."""
    samples = np.zeros((2, int(seconds * RATE_HZ)), np.float32)
    stroke = noise(0.01, level=0.5) * np.exp(-np.arange(441) / 100, dtype=np.float32)
    for start in range(2000, samples.shape[1] - 441, int(0.6 * RATE_HZ)):
        samples[:, start : start + 441] += stroke
    return samples


def voice(seconds: float) -> FloatArray:
    """Ten harmonics that glide up and down an octave, as no instrument with frets or keys does."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    hz = 400 * 2 ** (0.5 * np.sin(2 * np.pi * time_s))
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    wave = np.sum([0.1 / k * np.sin(k * phase) for k in range(1, 11)], axis=0)
    return np.stack([wave, wave]).astype(np.float32)


def test_spectral_stems_add_up_to_the_mixture(spectral: Spectral) -> None:
    mixture = strokes(3) + voice(3) + sine(3, 80) + noise(3, level=0.02)
    [found] = separate(spectral, audio(mixture))
    assert list(found) == ["drums", "bass", "other", "vocals"]
    assert share_db(np.sum(list(found.values()), axis=0) - mixture, mixture) < -60


@pytest.mark.parametrize(
    ("sound", "stem"),
    [(strokes(4), "drums"), (sine(4, 80), "bass"), (sine(4, 1000), "other"), (voice(4), "vocals")],
    ids=["strokes", "low sine", "high sine", "glide"],
)
def test_spectral_knows_a_sound_by_its_shape(spectral: Spectral, sound: FloatArray, stem: str) -> None:
    [found] = separate(spectral, audio(sound))
    middle = slice(RATE_HZ // 2, -RATE_HZ // 2)  # where a tone begins and ends it is a stroke as well
    for name, samples in found.items():
        db = share_db(samples[:, middle], sound[:, middle])
        assert db > -3 if name == stem else db < -6, f"{name} has {db:.1f} dB of it"


def test_spectral_takes_a_voice_at_the_side_for_an_instrument(spectral: Spectral) -> None:
    sound = voice(3) * np.array([[1], [0]], np.float32)
    [found] = separate(spectral, audio(sound))
    assert share_db(found["vocals"], sound) < -40


def test_spectral_does_not_mind_how_its_input_comes_in_blocks(spectral: Spectral) -> None:
    samples = noise(13)  # two chunks
    [expected] = separate(spectral, audio(samples))
    for block in (44_100, 10**9):
        [found] = separate(spectral, Oddly(samples, block))
        assert same(found, expected, 0)


def test_spectral_in_chunks_gives_the_same_as_the_whole(spectral: Spectral, monkeypatch: pytest.MonkeyPatch) -> None:
    mixture = strokes(9) + voice(9) + sine(9, 80) + noise(9, level=0.02)
    [expected] = separate(spectral, audio(mixture))
    monkeypatch.setattr(module, "CHUNK_FRAMES", 16 * module.LONG.hop)  # 1.5 s
    [found] = separate(spectral, audio(mixture))
    assert same(found, expected, 1e-5)


def test_spectral_needs_no_more_memory_for_a_longer_song(spectral: Spectral, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_FRAMES", 16 * module.LONG.hop)

    def peak(seconds: int) -> int:
        recording = Oddly(np.broadcast_to(np.float32(0.1), (2, seconds * RATE_HZ)), 44_100)  # no memory of its own
        [stems] = spectral.run([recording], SpectralOptions())
        tracemalloc.start()
        for _ in stems.blocks:
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(6)
    assert peak(24) < 1.1 * peak(6)


def test_spectral_stops_at_the_chunk_in_which_it_is_cancelled(spectral: Spectral) -> None:
    def cancel(fraction: float) -> None:
        raise JobCancelled

    recording = Oddly(noise(40, level=0.1), block=4410)
    [stems] = spectral.run([recording], SpectralOptions(), cancel)
    already = recording.read
    with pytest.raises(JobCancelled):
        next(stems.blocks)
    assert recording.read - already < 140, "of 400: 11.9 s and the context after them"
