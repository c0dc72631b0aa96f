from __future__ import annotations

import io
import zipfile

import docx
import pypdf
import pytest

from bot.documents import origin, paragraphs, render
from models.contract import EssayDone, EssayPlan

TEXT = (
    "First “paragraph”, with a naïve <b>tag</b> & more.\n\nSecond one,\nwrapped.\n\n\n\nThird\x00."
)


def essay(text: str = TEXT, title: str = "On =1+1 & <things>") -> EssayDone:
    return EssayDone(
        text=text,
        plan=EssayPlan(title=title, paragraphs=(("a",),)),
        words=50,
        seed=77,
        style="general",
        model_version="essay-3",
        tokens=10,
        seconds=1.0,
    )


def test_paragraphs_are_clean() -> None:
    assert paragraphs(TEXT) == [
        "First “paragraph”, with a naïve <b>tag</b> & more.",
        "Second one, wrapped.",
        "Third.",
    ]


def test_a_word_document_has_title_paragraphs_and_footer() -> None:
    document = docx.Document(io.BytesIO(render(essay(), "docx")))
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert texts == ["On =1+1 & <things>", *paragraphs(TEXT)]
    facts = document.core_properties
    assert (facts.title, facts.author, facts.comments) == (
        texts[0], "Ghostwriter", origin(essay()),
    )  # fmt: skip
    assert facts.created is None and facts.modified is None  # not those of a template
    with zipfile.ZipFile(io.BytesIO(render(essay(), "docx"))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    footer = document.sections[0].footer.paragraphs[0].text
    assert "77" in footer and "essay-3" in footer and footer == origin(essay())


def test_a_markdown_document_ends_with_its_origin() -> None:
    text = render(essay(), "md").decode()
    assert text.startswith("# On =1+1 & <things>\n\nFirst") and "\n\nThird.\n\n---\n\n" in text
    assert text.endswith(f"*{origin(essay())}*\n")


def test_a_pdf_has_the_text_on_pages() -> None:
    long = "\n\n".join(
        f"Paragraph {n}: żółć, Ελλάδα, naïve & <i>plain</i>. " * 8 for n in range(30)
    )
    reader = pypdf.PdfReader(io.BytesIO(render(essay(long), "pdf")))
    assert len(reader.pages) > 1
    text = " ".join("".join(page.extract_text() for page in reader.pages).split())
    for piece in ("On =1+1 & <things>", "żółć", "Ελλάδα", "<i>plain</i>", "Paragraph 29"):
        assert piece in text
    assert all(origin(essay()) in page.extract_text() for page in reader.pages)


@pytest.mark.parametrize("kind", ["md", "docx", "pdf"])
def test_an_essay_without_title_or_text_is_still_a_document(kind: str) -> None:
    assert len(render(essay("", "\x07"), kind)) > 20


def test_other_kinds_are_unknown() -> None:
    with pytest.raises(KeyError):
        render(essay(), "exe")
