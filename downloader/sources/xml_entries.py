"""Reads the entries of an XML document, one after the other: memory does not grow with the number of entries.

The parser is that of defusedxml: a document that declares entities is refused, and nothing outside of the document is read.
"""

from collections.abc import Callable, Collection, Iterator
from typing import IO
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesNSImpl

from downloader.errors import UsageError

BLOCK_BYTES = 64 * 1024
MAX_ENTRY_CHARACTERS = 128 * 1024 * 1024
"""Characters of one entry at most, so that a document without an end tag does not fill the memory."""

MAX_TAG_BYTES = 8 * 1024 * 1024
"""Bytes of one tag, comment or declaration, about, at most. The parser begins it anew with each block, until it is complete."""

_ELEMENT_CHARACTERS = 64
"""What an element counts towards `MAX_ENTRY_CHARACTERS`, beside its text."""


class Element:
    """An element of an entry. ``name``: without its prefix; ``text``: its own text; ``line``: where it begins."""

    __slots__ = ("attributes", "children", "line", "name", "namespace", "texts")

    def __init__(self, namespace: str, name: str, attributes: dict[str, str], line: int) -> None:
        self.namespace = namespace
        self.name = name
        self.attributes = attributes
        self.line = line
        self.texts: list[str] = []
        self.children: list[Element] = []

    @property
    def text(self) -> str:
        """The text between the tags, without the spaces around it."""
        return "".join(self.texts).strip()

    def all(self, name: str) -> "list[Element]":
        """The children with this name, in the namespace of the element itself."""
        return [child for child in self.children if child.name == name and child.namespace == self.namespace]

    def text_of(self, name: str) -> str:
        """The text of the first child with this name; empty if there is none."""
        return next((child.text for child in self.all(name)), "")


class _Entries(ContentHandler):
    """Collects the entries that are complete. Elements outside of entries are not kept."""

    def __init__(self, name: str, roots: Collection[str], entries: Collection[str], line: Callable[[], int]) -> None:
        super().__init__()
        self.complete: list[Element] = []
        self._name = name
        self._line = line  # of the event that is being handled
        self._roots = roots
        self._entries = entries
        self._namespace: str | None = None  # of the root element; None: it has not begun
        self._open: list[Element] = []
        self._characters = 0

    def startElementNS(  # noqa: N802 - the name is that of SAX
        self, name: tuple[str | None, str], qname: str | None, attrs: AttributesNSImpl
    ) -> None:
        """An element begins. Called by the parser. Raises UsageError for a wrong root element and an endless entry."""
        namespace, local = name[0] or "", name[1]
        if self._namespace is None:
            self._namespace = namespace
            if local not in self._roots:
                wanted = " or ".join(f"<{root}>" for root in self._roots)
                raise UsageError(f"the root element is <{local[:40]}>, not {wanted}", self._where())
        elif self._open or (local in self._entries and namespace == self._namespace):
            self._count(_ELEMENT_CHARACTERS)
            element = Element(namespace, local, {key[1]: value for key, value in attrs.items()}, self._line())
            if self._open:
                self._open[-1].children.append(element)
            self._open.append(element)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802
        """An element ends. Called by the parser."""
        if self._open:
            element = self._open.pop()
            if not self._open:
                self.complete.append(element)
                self._characters = 0

    def characters(self, content: str) -> None:
        """Some text. Called by the parser. Raises UsageError for an endless entry."""
        if self._open:
            self._count(len(content))
            self._open[-1].texts.append(content)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_ENTRY_CHARACTERS:
            raise UsageError(f"an entry is longer than {MAX_ENTRY_CHARACTERS} characters", self._where())

    def _where(self) -> str:
        return f"{self._name}:{self._line()}"


def read_entries(stream: IO[bytes], name: str, roots: Collection[str], entries: Collection[str]) -> Iterator[Element]:
    """The entries of a document, read lazily: elements in the namespace of the root element.

    Args:
        stream: the document; its encoding is in its first line, else UTF-8.
        name: of the document, for messages.
        roots: the names of the root elements that are accepted.
        entries: the names of the elements that are entries. An entry within an entry is part of that entry.

    Raises:
        UsageError: the document is not well-formed XML, is truncated, declares an entity, has another root element, or an
            entry is too long. The message has the name of the document and the line.
    """
    from xml.sax import SAXParseException

    from defusedxml import DefusedXmlException, sax

    parser = sax.make_parser()
    parser.setFeature(feature_namespaces, True)
    handler = _Entries(name, roots, entries, parser.getLineNumber)
    parser.setContentHandler(handler)
    read = getattr(stream, "read1", stream.read)  # of a pipe: what is there, without waiting for a full block
    is_complete = False
    waiting, place = 0, (0, 0)  # bytes that were read since the parser was elsewhere
    while not is_complete:
        block = read(BLOCK_BYTES)
        is_complete = not block
        problem: UsageError | None = None
        try:
            parser.feed(block)
            last_place, place = place, (parser.getLineNumber(), parser.getColumnNumber() or 0)
            waiting = waiting + len(block) if place == last_place else 0
            if waiting > MAX_TAG_BYTES:
                raise UsageError(f"a tag or comment is longer than {MAX_TAG_BYTES} bytes", f"{name}:{place[0]}")
            if is_complete:
                parser.close()
        except DefusedXmlException:
            reason = "the document declares an entity or refers to another document"
            problem = UsageError(reason, f"{name}:{parser.getLineNumber()}", "such documents are refused: they may be attacks")
        except SAXParseException as error:
            reason = "the document is truncated" if is_complete else "not well-formed XML"
            problem = UsageError(f"{reason}: {error.getMessage()}", f"{name}:{error.getLineNumber()}")
        except (LookupError, ValueError) as error:
            problem = UsageError(f"unknown encoding of the document: {error}", f"{name}:1")
        except UsageError as error:
            problem = error
        complete, handler.complete = handler.complete, []
        yield from complete  # those before the error, too
        if problem is not None:
            raise problem
