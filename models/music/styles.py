"""How each style feels and sounds: tempo, groove, players, kit and mix, as plain figures.

A style of a version that has no entry here (a community's own corpus) is played with ``OTHER``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from models.music.tone import CLUB, DEEP, MODERN, OPEN, Curve


@dataclass(frozen=True)
class Voice:
    """Who plays a track: a General MIDI programme, and our own synthesis when ``patch`` is set."""

    program: int
    patch: str = ""


@dataclass(frozen=True)
class Feel:
    """The hand of the players."""

    #: How late the second and fourth sixteenth of a beat come, as a share of a sixteenth.
    swing: float = 0.0
    #: Milliseconds a track plays behind (+) or ahead (-) of the beat.
    lay: Mapping[str, float] = field(default_factory=dict)
    #: Spread of the timing in milliseconds, one standard deviation.
    loose: float = 4.0
    #: Milliseconds between the lowest and the highest note of a struck chord.
    strum: float = 8.0
    #: Depth of velocity accents: 0 machine, 1 lively player.
    accent: float = 0.7


@dataclass(frozen=True)
class Mix:
    """Where the faders and effects stand; levels are LU against the drums."""

    bass: float = -3.0
    keys: float = -6.0
    lead: float = -4.5
    pad: float = -11.0
    room: float = 0.9  # seconds of reverb
    wet: float = -13.0  # dB of reverb against what is sent
    duck: float = 0.35  # share the bass and pad give way to the kick
    tape: float = 0.0  # 0 clean .. 1 worn: saturation, darkness, wow
    glue: float = 2.0  # ratio of the bus compressor
    tone: Curve = MODERN  # the spectral balance it leans to
    echo: float = -60.0  # dB of the lead's echo, a dotted eighth later


@dataclass(frozen=True)
class Style:
    """A manner of making a beat."""

    name: str
    description: str
    bpm: tuple[int, int]
    minor: float  # share of songs in minor
    kits: tuple[str, ...]
    bass: tuple[Voice, ...]
    keys: tuple[Voice, ...]
    lead: tuple[Voice, ...]
    pad: tuple[Voice, ...]
    fills: tuple[str, ...]
    feel: Feel = Feel()
    mix: Mix = Mix()
    crash: bool = True
    riser: bool = False
    glide: bool = False
    #: How often the harmony is a loop of two bars, 0..1; four bars go through otherwise.
    loop: float = 0.4
    four_on_floor: bool = False
    rides_crash: bool = False
    #: What joins the verse's drums in a hook.
    lift: tuple[str, ...] = ("open_hat", "shaker")

    def voices(self, track: str) -> tuple[Voice, ...]:
        """List who may play a pitched track."""
        found: tuple[Voice, ...] = getattr(self, track)
        return found


PIANO, BRIGHT_PIANO, RHODES, DX_PIANO = Voice(0), Voice(1), Voice(4), Voice(5)
CLAVINET, MUSIC_BOX, VIBES, MARIMBA = Voice(7), Voice(10), Voice(11), Voice(12)
DRAWBAR_ORGAN, ROCK_ORGAN, ACCORDION = Voice(16), Voice(18), Voice(21)
NYLON, STEEL, JAZZ_GUITAR, CLEAN_GUITAR = Voice(24), Voice(25), Voice(26), Voice(27)
MUTED_GUITAR, OVERDRIVE, DISTORTION = Voice(28), Voice(29), Voice(30)
UPRIGHT, FINGER_BASS, PICK_BASS, FRETLESS = Voice(32), Voice(33), Voice(34), Voice(35)
SLAP_BASS, CELLO, HARP = Voice(36), Voice(42), Voice(46)
STRINGS, SLOW_STRINGS, CHOIR = Voice(48), Voice(49), Voice(52)
TRUMPET, MUTED_TRUMPET, BRASS = Voice(56), Voice(59), Voice(61)
ALTO_SAX, CLARINET, FLUTE, KALIMBA = Voice(65), Voice(71), Voice(73), Voice(108)
# Our own synthesis; the programme is what a MIDI player falls back on.
SUB_808, SUB_BASS = Voice(38, "808"), Voice(39, "sub")
SAW_BASS, TRIANGLE_BASS = Voice(38, "sawbass"), Voice(38, "triangle")
SUPERSAW, PLUCK, SOFT_PAD = Voice(81, "supersaw"), Voice(84, "pluck"), Voice(89, "softpad")
PULSE, THIN_PULSE, SQUARE_LEAD = Voice(80, "pulse50"), Voice(80, "pulse25"), Voice(80, "softsquare")
BELL, EPIANO = Voice(98, "bell"), Voice(4, "epiano")

_STYLES = (
    Style(
        "hiphop", "Swung drums behind the beat, deep 808 or round bass, Rhodes and a dusty hook.",
        (80, 96), 0.75, ("boombap", "808"), (SUB_808, SUB_BASS),
        (EPIANO, RHODES, PIANO, JAZZ_GUITAR),
        (FLUTE, VIBES, BELL, MUTED_TRUMPET, KALIMBA), (SOFT_PAD, STRINGS, CHOIR),
        ("snare_roll", "stop", "hat_roll", "kick_snare"),
        Feel(0.22, {"drums": 0, "snare": 9, "bass": 6, "keys": 8, "lead": 6}, 4.5, 12, 0.8),
        Mix(bass=-2, keys=-3.5, lead=-3.5, pad=-10, room=0.7, wet=-14, duck=0.45, tape=0.5,
            glue=2.2, tone=DEEP, echo=-15),
        crash=False, glide=True, loop=0.7,
    ),
    Style(
        "pop", "Bright and straight: tight drums with claps, piano and guitars, a tune to hum.",
        (98, 124), 0.3, ("pop",), (FINGER_BASS, SAW_BASS, PICK_BASS),
        (PIANO, BRIGHT_PIANO, STEEL, CLEAN_GUITAR),
        (SQUARE_LEAD, PLUCK, BELL, FLUTE), (SOFT_PAD, STRINGS),
        ("toms", "snare_roll", "kick_snare", "stop", "claps"),
        Feel(0.04, {"snare": 2, "keys": 3}, 3.5, 8, 0.6),
        Mix(keys=-5, lead=-4, room=1.0, wet=-13, duck=0.35, tape=0.1, echo=-16),
        riser=True,
    ),
    Style(
        "rnb_soul", "Slow and warm: laid-back snare, gliding sub, electric piano and soft pads.",
        (66, 92), 0.5, ("soft808", "boombap"), (SUB_BASS, SUB_808, FRETLESS),
        (EPIANO, RHODES, DX_PIANO, PIANO), (ALTO_SAX, FLUTE, JAZZ_GUITAR, BELL),
        (SOFT_PAD, CHOIR, SLOW_STRINGS), ("kick_snare", "stop", "hat_roll", "rims"),
        Feel(0.2, {"snare": 12, "bass": 7, "keys": 10, "lead": 9}, 5.0, 16, 0.8),
        Mix(bass=-2, keys=-5, lead=-5, pad=-10, room=1.2, wet=-12, duck=0.35, tape=0.3,
            tone=DEEP, echo=-15),
        crash=False, glide=True, loop=0.7,
    ),
    Style(
        "ballad", "Slow and open: piano in front, soft kit, strings and a long room.",
        (62, 82), 0.4, ("soft",), (FRETLESS, UPRIGHT, FINGER_BASS), (PIANO, PIANO, NYLON, HARP),
        (FLUTE, CELLO, CLARINET, VIBES), (STRINGS, SLOW_STRINGS, CHOIR),
        ("toms", "swell", "kick_snare"),
        Feel(0.0, {"keys": 4, "lead": 8, "pad": -10}, 6.0, 20, 0.9),
        Mix(bass=-4, keys=-2, lead=-2.5, pad=-7.5, room=1.8, wet=-10, duck=0.1, tape=0.1, glue=1.6,
            tone=OPEN),
        lift=("shaker",),
    ),
    Style(
        "rock", "Live drums in a room, picked bass, driven guitars and organ.",
        (104, 146), 0.4, ("rock",), (PICK_BASS, FINGER_BASS), (OVERDRIVE, CLEAN_GUITAR, DISTORTION),
        (OVERDRIVE, ROCK_ORGAN, CLEAN_GUITAR), (DRAWBAR_ORGAN, ROCK_ORGAN, STRINGS),
        ("toms", "snare_roll", "kick_snare", "stop"),
        Feel(0.0, {"snare": 3, "keys": 2}, 4.5, 10, 0.8),
        Mix(bass=-3.5, keys=-4.5, lead=-4, pad=-11, room=1.0, wet=-14, duck=0.15, tape=0.25,
            glue=2.5),
        rides_crash=True, lift=("open_hat",),
    ),
    Style(
        "funk_disco", "Tight sixteenths, slapped bass, chopped guitar and clavinet, brass on top.",
        (100, 122), 0.5, ("funk", "house"), (SLAP_BASS, FINGER_BASS, SAW_BASS),
        (CLEAN_GUITAR, CLAVINET, MUTED_GUITAR, RHODES), (BRASS, TRUMPET, ALTO_SAX, SQUARE_LEAD),
        (STRINGS, SOFT_PAD), ("snare_roll", "toms", "kick_snare", "claps", "stop"),
        Feel(0.09, {"snare": -1, "bass": 0, "keys": 2}, 3.0, 5, 0.9),
        Mix(bass=-2.5, keys=-6, lead=-5, pad=-11, room=0.6, wet=-15, duck=0.25, tape=0.2),
    ),
    Style(
        "edm", "Four on the floor, wide saws that breathe with the kick, risers into the hook.",
        (120, 130), 0.6, ("house",), (SAW_BASS, SUB_BASS), (PLUCK, SUPERSAW, PIANO),
        (SUPERSAW, PLUCK, SQUARE_LEAD), (SUPERSAW, SOFT_PAD),
        ("claps", "snare_roll", "stop", "hat_roll"),
        Feel(0.0, {}, 0.8, 0, 0.45),
        Mix(bass=-2, keys=-5, lead=-4, pad=-10, room=1.6, wet=-11, duck=0.75, tape=0.0, glue=3.0,
            tone=CLUB, echo=-13),
        riser=True, loop=0.6, four_on_floor=True,
    ),
    Style(
        "metal", "Fast and heavy: clicking double kick, thick distorted guitars, choir behind.",
        (128, 168), 0.9, ("metal",), (PICK_BASS,), (DISTORTION, OVERDRIVE),
        (DISTORTION, OVERDRIVE), (CHOIR, STRINGS), ("toms", "snare_roll", "kicks"),
        Feel(0.0, {}, 2.5, 4, 0.6),
        Mix(bass=-3.5, keys=-2.5, lead=-3.5, pad=-11, room=0.8, wet=-16, duck=0.1, tape=0.2,
            glue=3.0),
        rides_crash=True, lift=("open_hat", "ride"),
    ),
    Style(
        "game", "Chip sounds: pulse waves, triangle bass and noise drums, quick and cheerful.",
        (112, 158), 0.4, ("chip",), (TRIANGLE_BASS,), (THIN_PULSE, PULSE), (PULSE, THIN_PULSE),
        (THIN_PULSE,), ("snare_roll", "toms", "stop"),
        Feel(0.0, {}, 0.0, 0, 0.35),
        Mix(bass=-2.5, keys=-6, lead=-3.5, pad=-12, room=0.4, wet=-20, duck=0.0, tape=0.0, glue=1.5,
            echo=-17),
        crash=False, lift=("open_hat",),
    ),
    Style(
        "latin", "Congas and bells, upright bass on the offbeat, piano montuno, trumpet and flute.",
        (92, 118), 0.5, ("latin",), (UPRIGHT, FINGER_BASS), (PIANO, NYLON, BRIGHT_PIANO),
        (TRUMPET, FLUTE, MARIMBA), (STRINGS, ACCORDION), ("timbales", "toms", "kick_snare", "stop"),
        Feel(0.05, {"keys": -2}, 4.0, 6, 0.9),
        Mix(bass=-3, keys=-4.5, lead=-4, pad=-12, room=0.9, wet=-14, duck=0.1, tape=0.15,
            tone=OPEN),
    ),
)  # fmt: skip
STYLES = {style.name: style for style in _STYLES} | {
    "latin_reggae": replace(_STYLES[-1], name="latin_reggae")
}
OTHER = replace(STYLES["pop"], name="other", description="A community's own style.")


def style_of(name: str) -> Style:
    """Find how a style is played; an unknown name gets the general manner."""
    return STYLES.get(name) or replace(OTHER, name=name)
