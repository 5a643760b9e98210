"""Whisper is sent the passages in which somebody sings, and nothing else."""

from itertools import pairwise

import numpy as np
import pytest

from app.engines.lyrics import RATE_HZ
from app.engines.lyrics.passages import Passage, find_passages, loudest
from app.music import Audio
from tests import synth


def sung(*parts: tuple[float, float], level: float = 0.3) -> Audio:
    """One part after the other: (Hz, seconds); 0 Hz is a rest."""
    tones = [synth.sine(hz, seconds, RATE_HZ, level if hz else 0.0) for hz, seconds in parts]
    return Audio(np.concatenate([tone.samples for tone in tones], axis=1), RATE_HZ)


@pytest.mark.parametrize("frames", [0, 1, 319, 321, 5 * RATE_HZ])
def test_silence_has_no_passages(frames: int) -> None:
    assert find_passages(np.zeros(frames, np.float32), RATE_HZ) == ()
    assert find_passages(np.full(frames, 0.5, np.float32), RATE_HZ) == (), "a constant offset is silent"


def test_noise_below_the_floor_has_no_passages() -> None:
    faint = synth.noise(5.0, RATE_HZ, level=10 ** (-54 / 20))
    assert find_passages(faint.mono(), RATE_HZ) == ()


def test_passages_lie_where_somebody_sings() -> None:
    samples = sung((0, 5), (220, 3), (0, 4), (330, 1), (0, 1), (440, 2), (0, 6)).mono()
    passages = find_passages(samples, RATE_HZ)
    edges_s = [edge / RATE_HZ for passage in passages for edge in (passage.start, passage.stop)]
    # From a quarter of a second before to one after; the rest of 1 s in the second one is a breath.
    assert edges_s == pytest.approx([4.75, 8.25, 11.75, 16.25], abs=0.021)


def test_what_is_faint_beside_the_voice_is_left_out() -> None:
    voice = sung((220, 4), (0, 8), (220, 4)).mono()
    bleed = synth.noise(16.0, RATE_HZ, level=0.002).mono()  # -54 dB above a voice at -13.5 dB
    louder = synth.noise(16.0, RATE_HZ, level=0.02).mono()  # -34 dB: 20 dB below the voice
    assert len(find_passages(voice + bleed, RATE_HZ)) == 2
    assert len(find_passages(voice + louder, RATE_HZ)) == 1
    assert len(find_passages(voice * 0.03, RATE_HZ)) == 2, "a soft voice at -44 dB counts where nothing is louder"


def test_lone_clicks_are_no_passages() -> None:
    samples = sung((0, 4), (300, 0.1), (0, 4), (220, 2), (0, 4)).mono()
    (passage,) = find_passages(samples, RATE_HZ)
    assert passage.start / RATE_HZ == pytest.approx(7.85, abs=0.021)


def test_the_soft_end_of_a_word_is_kept() -> None:
    """A tone that fades by 35 dB: 30 dB down it would no longer be noticed, but it is followed."""
    fading = sung((220, 4)).mono() * np.logspace(0, -35 / 20, 4 * RATE_HZ, dtype=np.float32)
    (passage,) = find_passages(np.concatenate([fading, np.zeros(RATE_HZ * 3, np.float32)]), RATE_HZ)
    assert passage.stop / RATE_HZ > 4.1


def test_long_passages_are_cut_where_they_are_quietest() -> None:
    loud = sung((220, 70)).mono()
    for dip_s in (22.0, 50.5):
        middle = round(dip_s * RATE_HZ)
        loud[middle - RATE_HZ // 4 : middle + RATE_HZ // 4] *= 0.1
    passages = find_passages(loud, RATE_HZ)
    cuts_s = [passage.stop / RATE_HZ for passage in passages]
    assert cuts_s[:2] == pytest.approx([22.0, 50.5], abs=0.2)
    assert cuts_s[-1] == 70.0


@pytest.mark.parametrize("seconds", [29.9, 30.0, 30.04, 45.0, 60.02, 90.3])
def test_pieces_fit_whisper_and_miss_nothing(seconds: float) -> None:
    samples = synth.noise(seconds, RATE_HZ).mono()
    passages = find_passages(samples, RATE_HZ)
    assert passages[0].start == 0
    assert passages[-1].stop == len(samples)
    assert all(before.stop == after.start for before, after in pairwise(passages))
    assert all(0.2 * RATE_HZ < passage.frames <= 30 * RATE_HZ for passage in passages)


def test_the_loudest_passages_come_in_order_and_within_the_limit() -> None:
    samples = np.repeat(np.array([0.2, 0.0, 0.9, 0.0, 0.1, 0.0, 0.5], np.float32), 10)
    passages = [Passage(start, start + 10) for start in (0, 20, 40, 60)]
    assert loudest(samples, passages, 20).tolist() == [*samples[20:30], *samples[60:70]]
    assert loudest(samples, passages, 15).tolist() == [*samples[20:30], *samples[60:65]]
    assert len(loudest(samples, passages, 1000)) == 40
