"""An essay as a document: Markdown, Word or PDF."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Pt
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

from models.contract import EssayDone

AUTHOR = "Ghostwriter"
_PACKED = zipfile.ZIP_DEFLATED


def render(essay: EssayDone, kind: str) -> bytes:
    """Write the essay as ``md``, ``docx`` or ``pdf``; raise KeyError for another kind."""
    return _WRITERS[kind](essay)


def paragraphs(text: str) -> list[str]:
    """Split a text at its empty lines; characters no document can hold are dropped."""
    blocks = text.replace("\r\n", "\n").split("\n\n")
    cleaned = (" ".join(_printable(block).split()) for block in blocks)
    return [block for block in cleaned if block]


def origin(essay: EssayDone) -> str:
    """Say what it takes to make the same essay again."""
    return f"{AUTHOR} · seed {essay.seed} · style {essay.style} · model {essay.model_version}"


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable() or c.isspace())


def _title(essay: EssayDone) -> str:
    return " ".join(_printable(essay.plan.title).split()) or "Essay"


def _markdown(essay: EssayDone) -> bytes:
    blocks = [f"# {_title(essay)}", *paragraphs(essay.text), "---", f"*{origin(essay)}*"]
    return ("\n\n".join(blocks) + "\n").encode()


def _word(essay: EssayDone) -> bytes:
    document = docx.Document()
    facts = document.core_properties
    facts.title, facts.author, facts.last_modified_by = _title(essay), AUTHOR, AUTHOR
    facts.comments = origin(essay)
    for date in ("created", "modified"):
        for element in facts._element.findall(qn(f"dcterms:{date}")):
            facts._element.remove(element)  # those of python-docx's template, from 2013
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Georgia", Pt(11.5)
    normal.paragraph_format.line_spacing = 1.4
    normal.paragraph_format.space_after = Pt(9)
    document.add_heading(_title(essay), level=0)
    for block in paragraphs(essay.text):
        document.add_paragraph(block)
    foot = document.sections[0].footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    foot.add_run(origin(essay)).font.size = Pt(8)
    stream = io.BytesIO()
    document.save(stream)
    return _undated(stream)


def _undated(stream: io.BytesIO) -> bytes:
    """Take the time of writing out of a zip: the same essay is the same file."""
    plain = io.BytesIO()
    with zipfile.ZipFile(stream) as dated, zipfile.ZipFile(plain, "w") as undated:
        for entry in dated.infolist():
            undated.writestr(zipfile.ZipInfo(entry.filename), dated.read(entry), _PACKED)
    return plain.getvalue()


def _pdf(essay: EssayDone) -> bytes:
    font = _font()
    title = ParagraphStyle("title", fontName=font, fontSize=20, leading=25, spaceAfter=16)
    body = ParagraphStyle("body", fontName=font, fontSize=11, leading=16, spaceAfter=9)
    flow = [Paragraph(escape(_title(essay)), title), Spacer(1, 4)]
    flow += [Paragraph(escape(block), body) for block in paragraphs(essay.text)]

    def foot(canvas: Canvas, page: SimpleDocTemplate) -> None:
        canvas.setFont(font, 8)
        canvas.drawCentredString(A4[0] / 2, 1.2 * cm, f"{origin(essay)} · {page.page}")

    stream = io.BytesIO()
    margins = {f"{side}Margin": 2.5 * cm for side in ("left", "right", "top", "bottom")}
    page = SimpleDocTemplate(stream, pagesize=A4, title=_title(essay), author=AUTHOR, **margins)
    page.build(flow, onFirstPage=foot, onLaterPages=foot)
    return stream.getvalue()


@cache
def _font() -> str:
    """Register a font that knows more than Latin-1; matplotlib brings one along."""
    found = importlib.util.find_spec("matplotlib")
    if found is not None and found.origin is not None:
        path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSerif.ttf"
        if path.is_file():
            pdfmetrics.registerFont(TTFont("DejaVuSerif", str(path)))
            return "DejaVuSerif"
    return "Times-Roman"


_WRITERS: Mapping[str, Callable[[EssayDone], bytes]] = {
    "md": _markdown,
    "docx": _word,
    "pdf": _pdf,
}
