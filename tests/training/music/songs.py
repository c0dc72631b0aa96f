"""Small music collections for tests, made of simple tunes."""

from pathlib import Path

import numpy as np

from models.music.midi import to_midi
from models.music.pianoroll import TRACKS, Note, Phrase


def tune(number: int) -> Phrase:
    """Make a phrase that differs by number: a beat, a bass, chords, and sometimes a tune."""
    random = np.random.default_rng(number)
    root = int(random.choice((0, 5, 7, 9)))
    third = 3 if root == 9 else 4
    keys = [Note(s, 48 + root + i, 8) for s in range(0, 64, 16) for i in (0, third, 7)]
    lead = [
        Note(4 * i, 60 + int(p), 3) for i, p in enumerate(random.choice((0, 2, 4, 5, 7, 9), 16))
    ]
    return Phrase.from_notes(
        {
            "drums": [Note(s, 36 if s % 8 == 0 else 42, 1) for s in range(0, 64, 4)],
            "bass": [Note(s, 36 + root, 6) for s in range(0, 64, 8)],
            "keys": keys,
            "lead": lead if number % 3 else [],
        }
    )


def write_phrases(folder: Path, songs: int = 12, phrases: int = 4) -> Path:
    """Write ``beats.npz`` and ``drums.npz`` in the layout of the phrase files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, counts = [], []
    for song in range(songs):
        for place in range(phrases):
            phrase = tune(song * 7 + place)
            events = [
                (index, note.start, note.length, note.pitch + (2 if index else 0), 90)
                for index, track in enumerate(TRACKS)
                for note in phrase.notes(track)
            ]
            rows += events
            counts.append(len(events))
    total = songs * phrases
    np.savez(
        folder / "beats.npz",
        ev=np.array(rows, np.uint8),
        ptr=np.concatenate([[0], np.cumsum(counts)]),
        styles=np.array(["hiphop", "rock", "polka"]),
        style=np.arange(total) // phrases % 2,
        song=np.arange(total) // phrases,
        song_group=np.array([f"song {i}" for i in range(songs)]),
        bar=np.tile(np.arange(phrases) * 4, songs),
        tempo=np.where(np.arange(total) // phrases % 2, 140.0, 90.0),
        key=np.array(["D:maj"] * total),
    )
    np.savez(
        folder / "drums.npz",
        ev=np.array([(step, 38, 90) for step in range(0, 64, 2)], np.uint8),
        ptr=np.array([0, 32]),
        style=np.array([1]),
        styles=np.array(["hiphop", "rock"]),
    )
    return folder


def write_midi(folder: Path, songs: int = 3, phrases: int = 6) -> Path:
    """Write MIDI files."""
    folder.mkdir(parents=True, exist_ok=True)
    for song in range(songs):
        played = [tune(song * 11 + place) for place in range(phrases)]
        to_midi(played, 100 + song, "D").write(str(folder / f"{song}.mid"))
    return folder
