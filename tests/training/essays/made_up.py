"""A small made-up corpus: enough grammar to be English, enough variety to be no copy."""

from __future__ import annotations

import json
import random
from pathlib import Path

TOPICS = ("School lunches", "Walking to school", "Music at home", "Garden work", "Rainy days")
_WHO = ("students", "teachers", "parents", "children", "friends", "neighbours", "families")
_WHAT = {
    "School lunches": ("lunch", "bread", "apples", "kitchen", "soup", "table", "menu"),
    "Walking to school": ("road", "walking", "shoes", "traffic", "morning", "bridge", "path"),
    "Music at home": ("music", "guitar", "songs", "piano", "singing", "evening", "practice"),
    "Garden work": ("garden", "flowers", "seeds", "water", "soil", "roses", "summer"),
    "Rainy days": ("rain", "umbrella", "clouds", "window", "puddles", "weather", "storm"),
}
_FRAMES = (
    "Many {who} think that the {a} is a good reason to talk about the {b}.",
    "When the {who} have the {a} with them, they can be happy about the {b}.",
    "It is not the {a} that makes the {b} so important to the {who}.",
    "There are {who} who would like to have more of the {a} and less of the {b}.",
    "I have seen that the {who} of our town do not care for the {a} or the {b}.",
    "Because of the {a}, all of the {who} will be at the {b} in time.",
)


def essay(topic: str, draw: random.Random) -> str:
    """Make one essay of three paragraphs."""
    words = _WHAT[topic]

    def sentence() -> str:
        a, b = draw.sample(words, 2)
        return draw.choice(_FRAMES).format(who=draw.choice(_WHO), a=a, b=b)

    return "\n\n".join(" ".join(sentence() for _ in range(draw.randint(3, 5))) for _ in range(3))


def write_corpus(
    folder: Path, count: int = 60, seed: int = 0, topics: tuple[str, ...] = TOPICS
) -> Path:
    """Write essays.jsonl with topics and marks into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    with (folder / "essays.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            topic = topics[number % len(topics)]
            record = {"id": str(number), "source": "made-up", "topic": topic}
            record |= {"text": essay(topic, draw), "style": "argument"}
            file.write(json.dumps({**record, "mark": draw.randint(50, 100)}) + "\n")
    return folder
