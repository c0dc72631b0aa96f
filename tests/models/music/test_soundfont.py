import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.music import soundfont
from models.music.dsp import RATE, Audio
from models.music.encoding import FFMPEG
from models.music.song import Note
from models.music.soundfont import SoundFont, SoundFontError
from models.music.styles import STYLES, Voice
from models.music.voices import DEFAULT_SOUNDFONT, Players


@pytest.fixture(scope="module")
def players() -> Players:
    return Players()


def cents_off(sound: Audio, pitch: int) -> float:
    """Distance of the partial nearest to one of the first three harmonics."""
    mono = sound if sound.ndim == 1 else sound.mean(0)
    part = mono[RATE // 5 : RATE // 5 + RATE // 2]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 18))
    hertz = np.fft.rfftfreq(1 << 18, 1 / RATE)
    base = 440 * 2 ** ((pitch - 69) / 12)
    best = 0.0, 99.0
    for harmonic in (1, 2, 3):
        near = np.abs(1200 * np.log2(np.maximum(hertz, 1) / (base * harmonic))) < 60
        top = power[near].argmax()
        off = 1200 * np.log2(hertz[near][top] / (base * harmonic))
        best = max(best, (float(power[near].max()), float(off)), key=lambda found: found[0])
    assert best[0] > 0.1 * power.max(), "no harmonic of the note is strong"
    return best[1]


def test_every_player_of_every_style_is_in_tune(players: Players) -> None:
    voices = {
        (voice, pitch)
        for style in STYLES.values()
        for track, pitch in (("bass", 40), ("keys", 60), ("lead", 72), ("pad", 55))
        for voice in style.voices(track)
        if voice.patch not in ("808", "sub")
    }
    for voice, pitch in voices:
        assert abs(cents_off(players.tone(voice, pitch, 1.0), pitch)) < 25, voice


def test_a_piano_dies_away_and_an_organ_holds(players: Players) -> None:
    def fall(programme: int) -> float:
        sound = players.tone(Voice(programme), 60, 2.0)
        levels = [
            np.abs(sound[..., int(a * RATE) : int((a + 0.2) * RATE)]).max() for a in (0.2, 1.6)
        ]
        return float(levels[1] / levels[0])

    assert fall(0) < 0.3
    assert fall(16) > 0.6


def test_notes_end_softly_and_velocity_counts(players: Players) -> None:
    for voice in (Voice(0), Voice(80, "pulse50"), Voice(89, "softpad"), Voice(27)):
        soft, hard = (players.render([Note(0.1, 0.6, 60, v)], voice, 2 * RATE) for v in (45, 120))
        assert np.abs(hard).max() > 2 * np.abs(soft).max()
        assert np.abs(hard[:, -RATE // 10 :]).max() < 1e-3
        assert np.abs(hard[:, : int(0.09 * RATE)]).max() == 0


def test_tones_are_kept_and_kept_within_bounds(players: Players) -> None:
    voice = Voice(0)
    first = players.tone(voice, 64, 1.0)
    assert players.tone(voice, 64, 0.5) is first
    assert players.tone(voice, 64, 3.0) is not first
    small = Players(cache_bytes=2**20)
    for pitch in range(60, 70):
        small.tone(voice, pitch, 1.0)
    assert 0 < small._bytes <= 2**20
    assert sum(tone.nbytes for tone in small._tones.values()) == small._bytes


def test_a_wrong_file_is_one_plain_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.sf2"
    for content in (b"", b"RIFF....WAVE", b"RIFF\0\0\0\0sfbk" + b"\0" * 64):
        wrong.write_bytes(content)
        with pytest.raises(SoundFontError, match=r"wrong\.sf2 cannot be read\.$"):
            SoundFont(wrong)
    with pytest.raises(SoundFontError):
        Players(tmp_path / "missing.sf2")


def test_a_damaged_tail_is_noticed(tmp_path: Path) -> None:
    cut = tmp_path / "cut.sf2"
    cut.write_bytes(DEFAULT_SOUNDFONT.read_bytes()[:4096])
    with pytest.raises(SoundFontError):
        SoundFont(cut)


def test_a_programme_the_font_lacks_falls_back(tmp_path: Path) -> None:
    font = SoundFont(_tiny(tmp_path / "tiny.sf2"))
    assert font.programmes() == {0}
    assert np.array_equal(font.tone(77, 69, 90, 0.5), font.tone(0, 69, 90, 0.5))
    assert not font.tone(0, 10, 90, 0.5).any(), "no zone answers"


def test_a_hand_made_font_loops_and_transposes(tmp_path: Path) -> None:
    font = SoundFont(_tiny(tmp_path / "tiny.sf2"))
    for key in (57, 69, 81):
        assert abs(cents_off(font.tone(0, key, 90, 1.0), key)) < 3


def sharpest(sound: Audio) -> float:
    """Give the sharpest bend of a held tone, which a click is, against those around it."""
    mono = sound if sound.ndim == 1 else sound.mean(0)
    bends = np.diff(mono[RATE // 5 :], 2) ** 2
    around = np.convolve(bends, np.full(RATE // 50, 50 / RATE), "same")
    return float(np.sqrt((bends / around).max()))


def test_a_loop_whose_ends_do_not_meet_makes_no_click(tmp_path: Path) -> None:
    fitting = SoundFont(_tiny(tmp_path / "fitting.sf2"))
    missing = SoundFont(_tiny(tmp_path / "missing.sf2", loop_end=1070))
    for key in (57, 69, 81):
        plain, patched = (sharpest(font.tone(0, key, 90, 1.0)) for font in (fitting, missing))
        assert patched < 1.5 * plain


@pytest.mark.parametrize("programme", [48, 49, 52, 65, 73])
def test_held_strings_voices_and_winds_do_not_tick(players: Players, programme: int) -> None:
    for pitch in range(60, 84, 3):
        assert sharpest(players.tone(Voice(programme), pitch, 1.5)) < 9, pitch


def test_packed_samples_sound_like_plain_ones(tmp_path: Path) -> None:
    plain = SoundFont(_tiny(tmp_path / "tiny.sf2"))
    packed = SoundFont(_tiny(tmp_path / "tiny.sf3", _vorbis))
    for key in (57, 69, 81):
        one, other = (font.tone(0, key, 90, 1.0) for font in (plain, packed))
        assert one.shape == other.shape
        assert abs(cents_off(other, key)) < 3
        levels = [float(np.sqrt((sound**2).mean())) for sound in (one, other)]
        assert levels[1] == pytest.approx(levels[0], rel=0.05)


def test_a_packed_sample_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = SoundFont(_tiny(tmp_path / "tiny.sf3", _vorbis))
    first = font.tone(0, 69, 90, 0.2)
    monkeypatch.setattr(soundfont, "_unpack", lambda ogg: pytest.fail("decoded again"))
    assert np.array_equal(font.tone(0, 69, 90, 0.2), first)


def test_a_packed_sample_that_cannot_be_decoded_is_one_plain_sentence(tmp_path: Path) -> None:
    font = SoundFont(_tiny(tmp_path / "tiny.sf3", lambda raw: b"OggS" + raw[:400]))
    with pytest.raises(SoundFontError, match=r"^A sample of the SoundFont cannot be decoded\.$"):
        font.tone(0, 69, 90, 0.2)


def _vorbis(raw: bytes) -> bytes:
    """Encode 16-bit mono as Ogg Vorbis."""
    command = [FFMPEG, "-v", "error", "-f", "s16le", "-ar", "44000", "-ac", "1", "-i", "-"]
    command += ["-c:a", "libvorbis", "-q:a", "8", "-f", "ogg", "-"]
    return subprocess.run(command, input=raw, capture_output=True, check=True).stdout


def test_kits_are_a_bank_of_their_own(tmp_path: Path) -> None:
    kits = SoundFont(DEFAULT_SOUNDFONT, 128)
    assert 0 in kits.programmes()
    assert np.abs(kits.tone(0, 38, 100, 0.2)).max() > 0.01, "a snare"
    assert not SoundFont(_tiny(tmp_path / "tiny.sf2"), 128).programmes()


def test_samples_without_padding_are_read_too(tmp_path: Path) -> None:
    """MuseScore's files hold an odd number of bytes of samples and no pad byte after them."""
    padded = _tiny(tmp_path / "tiny.sf2", lambda samples: samples + b"\0").read_bytes()
    at = padded.index(b"smpl") + 8
    at += struct.unpack_from("<I", padded, at - 4)[0]
    assert padded[at : at + 5] == b"\0LIST"
    (tmp_path / "odd.sf2").write_bytes(padded[:at] + padded[at + 1 :])
    assert SoundFont(tmp_path / "odd.sf2").programmes() == {0}


def _tiny(path: Path, pack: Callable[[bytes], bytes] | None = None, loop_end: int = 1100) -> Path:
    """Write a font of one looped sine at A4 that answers to keys 40 to 90; packed it is an SF3."""
    cycle = np.sin(2 * np.pi * np.arange(100) / 100) * 20000
    samples = np.tile(cycle, 12).astype("<i2").tobytes() + b"\0" * 92
    rate = 44000  # 100 samples a cycle: 440 Hz
    end, kind = 1200, 1
    if pack:
        samples = pack(samples)
        end, kind = len(samples), 0x11  # places are bytes

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    name = b"sine".ljust(20, b"\0")
    tables = [
        (b"phdr", b"".join(struct.pack("<20sHHHIII", name, 0, 0, i, 0, 0, 0) for i in (0, 1))),
        (b"pbag", struct.pack("<HHHH", 0, 0, 1, 0)),
        (b"pmod", b"\0" * 10),
        (b"pgen", struct.pack("<HhHh", 41, 0, 0, 0)),
        (b"inst", struct.pack("<20sH20sH", name, 0, name, 1)),
        (b"ibag", struct.pack("<HHHH", 0, 0, 3, 0)),
        (b"imod", b"\0" * 10),
        (b"igen", struct.pack("<HBBHhHh", 43, 40, 90, 54, 1, 53, 0) + b"\0" * 4),
        (b"shdr", struct.pack("<20s5IBbHH", name, 0, end, 100, loop_end, rate, 69, 0, 0, kind)
         + b"\0" * 46),
    ]  # fmt: skip
    body = b"sfbk"
    body += chunk(b"LIST", b"sdta" + chunk(b"smpl", samples))
    body += chunk(b"LIST", b"pdta" + b"".join(chunk(n, d) for n, d in tables))
    path.write_bytes(chunk(b"RIFF", body))
    return path
