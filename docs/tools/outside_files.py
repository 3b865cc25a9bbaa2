"""For the site: links of a page to files outside docs/, such as `../src/giqa_hf/grid.py`, lead to a page of that file.

On GitHub such a link opens the file. The site has no repository to point at, and is to be read without a network,
so each file that a page links to becomes a page of its own under `files/`: code with its lines numbered, a Markdown
file as it is read. They are left out of the menu and, but for Markdown, of the search. A link to a folder outside
docs/ loses its link and keeps its words.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# Fenced blocks and code in backticks come first, so that a link is none where it is code.
LINK = re.compile(
    r"(?ms)^ *```.*?^ *```|`[^`\n]+`|\[(?P<words>(?:`[^`\n]*`|[^\]`])*)\]\((?P<target>[^)\s]+)\)"
)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json"}
FOLDER = "files/"
ALONE = "---\nsearch:\n  exclude: true\nhide:\n  - navigation\n  - toc\n---\n\n"
"""Above a page of code: not searched, no menu and no contents beside it, so that long lines have room."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by mkdocs before any page is read: a page for each file that is linked to, and for what that links to."""
    docs = Path(config.docs_dir)
    waiting = [docs / file.src_uri for file in files.documentation_pages()]
    while waiting:
        path = waiting.pop()
        for found in LINK.finditer(path.read_text(encoding="utf-8")):
            target = _outside(found["target"], path, docs)
            if target is None or not target.is_file() or files.get_file_from_path(_uri(target, docs)):
                continue
            files.append(File.generated(config, _uri(target, docs), content=_content(target, docs)))
            if target.suffix == ".md":
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Called by mkdocs with the text of each page: turns the links."""
    docs, uri = Path(config.docs_dir), page.file.src_uri
    path = (
        docs.parent / uri.removeprefix(FOLDER).removesuffix(".md") if page.file.generated_by else docs / uri
    )
    if path.suffix != ".md":
        return markdown  # code, and no link in it is one

    def turned(found: re.Match[str]) -> str:
        target = _outside(found["target"], path, docs)
        if target is None:
            if path.is_relative_to(docs) or not _is_file_link(found["target"]):
                return found[0]
            inside = os.path.normpath(path.parent / found["target"])
            return _link(found["words"], os.path.relpath(inside, docs), uri)
        if not target.is_file():
            return found["words"] if target.is_dir() else found[0]
        _, hash_sign, anchor = found["target"].partition("#")
        return _link(found["words"], _uri(target, docs) + hash_sign + anchor, uri)

    return LINK.sub(turned, markdown)


def _is_file_link(target: str | None) -> bool:
    """Whether this is the target of a link, and neither on the web nor on the same page."""
    return bool(target) and not re.match(r"[a-z]+:|#", str(target))


def _outside(target: str | None, path: Path, docs: Path) -> Path | None:
    """What a link of the file `path` leads to, if that is outside docs/."""
    if not _is_file_link(target):
        return None
    there = Path(os.path.normpath(path.parent / str(target).partition("#")[0]))
    if there.is_relative_to(docs) or not there.is_relative_to(docs.parent):
        return None
    return there


def _uri(target: Path, docs: Path) -> str:
    """Where the page of a file lies; with `.md` behind every name, so that no README.md becomes an index."""
    return f"{FOLDER}{target.relative_to(docs.parent).as_posix()}.md"


def _link(words: str, uri: str, from_uri: str) -> str:
    return f"[{words}]({posixpath.relpath(uri, posixpath.dirname(from_uri) or '.')})"


def _content(target: Path, docs: Path) -> str:
    text = target.read_text(encoding="utf-8")
    if target.suffix == ".md":
        return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)  # a card's YAML is the Hub's
    fence = "`" * 8  # docstrings have fences of three
    language = LANGUAGES.get(target.suffix, "text")
    title = target.relative_to(docs.parent).as_posix()
    numbered = f'{fence}{{.{language} linenums="1"}}'
    return f"{ALONE}# `{title}`\n\n{numbered}\n{text}\n{fence}\n"
