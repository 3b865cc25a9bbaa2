"""Where the public corpora come from, under which licences, and what of them may be published.

The facts were read in the corpora's own cards, licences and notices in 2026; they are no legal advice, and the
corpora's own pages count. A licence tag of a mirror on the Hub does not replace the terms of the source.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A public corpus, or a set of photos that one is made of.

    Args:
        name (`str`): as it stands in `CorpusRow.source`.
        title (`str`): its full name.
        url (`str`): where to get it.
        license (`str`): in short.
        redistributable (`bool`): whether its photos may be published with our rows; if not, only ids and annotations.
        note (`str`): what else to know.
    """

    name: str
    title: str
    url: str
    license: str
    redistributable: bool
    note: str


Q_PATHWAY = Source(
    "q-pathway", "Q-Pathway, the descriptions of Q-Instruct-DB", "https://huggingface.co/datasets/q-future/Q-Instruct-DB",
    "S-Lab-1.0 (non-commercial)", False,
    "The dataset card says Apache-2.0, but the project's LICENSE is S-Lab 1.0 and its README asks for permission "
    "before commercial use, so the stricter counts. The photos keep the terms of their own sources.",
)  # fmt: skip
DQ_495K = Source(
    "dq-495k", "DQ-495K (DataDepictQA)", "https://huggingface.co/datasets/zhiyuanyou/DataDepictQA",
    "Apache-2.0", False,
    "Metas only: the photos are on ModelScope, under the same name (zhiyuanyou/DataDepictQA), and keep the terms of "
    "KADIS-700k. The detailed texts were written by GPT-4V, not by people, whatever has been said of them.",
)  # fmt: skip

KONIQ = Source(
    "koniq", "KonIQ-10k", "https://database.mmsp-kn.de/koniq-10k-database.html",
    "free for research, no formal licence", False, "Flickr photos, each with a licence of its own.",
)  # fmt: skip
SPAQ = Source(
    "spaq", "SPAQ", "https://github.com/h4nwei/SPAQ", "research and education only", False, "Smartphone photos.",
)  # fmt: skip
LIVE_FB = Source(
    "live-fb", "LIVE-FB (FLIVE, PaQ-2-PiQ)", "https://niu-haoran.github.io/FLIVE_Database/",
    "by notice; photos of AVA, EMOTIC, VOC and CERTH-Blur", False, "The photos keep the terms of those four sets.",
)  # fmt: skip
LIVE_ITW = Source(
    "live-itw", "LIVE In the Wild Image Quality Challenge", "https://live.ece.utexas.edu/research/ChallengeDB/index.html",
    "by notice (copy and distribute for any purpose, with the notice)", True,
    "Its copyright notice has to go with every copy.",
)  # fmt: skip
AGIQA_3K = Source(
    "agiqa-3k", "AGIQA-3K", "https://github.com/lcysyzxdxc/AGIQA-3k-Database", "MIT", True, "Generated pictures.",
)  # fmt: skip
IMAGEREWARDDB = Source(
    "imagerewarddb", "ImageRewardDB", "https://huggingface.co/datasets/THUDM/ImageRewardDB", "Apache-2.0", True,
    "Generated pictures, all from DiffusionDB.",
)  # fmt: skip
KADIS_700K = Source(
    "kadis-700k, text by GPT-4V", "KADIS-700k", "https://database.mmsp-kn.de/kadid-10k-database.html",
    "free for research, no formal licence", False, "Pixabay photos, distorted by machine.",
)  # fmt: skip
# Where the path of a photo does not tell the set, the row says so, and the stricter terms count.
KONIQ_OR_SPAQ = Source(
    "koniq or spaq", "KonIQ-10k or SPAQ", KONIQ.url, SPAQ.license, False, "The path does not tell which.",
)  # fmt: skip
LIVE_OR_GENERATED = Source(
    "live-fb, live-itw or generated", "LIVE-FB, LIVE-itw, AGIQA-3K or ImageRewardDB", LIVE_FB.url, LIVE_FB.license,
    False, "The path does not tell which.",
)  # fmt: skip

SOURCES = (
    Q_PATHWAY, DQ_495K, KONIQ, SPAQ, LIVE_FB, LIVE_ITW, AGIQA_3K, IMAGEREWARDDB, KADIS_700K, KONIQ_OR_SPAQ,
    LIVE_OR_GENERATED,
)  # fmt: skip
"""All that are known here."""

# Licences under which a photo may be passed on (some ask for attribution, the same licence, or no commerce).
# None with "nd": whether a row with boxes is a derivative is not ours to decide.
_OPEN = frozenset({
    "cc0", "cc0-1.0", "public-domain", "pddl", "cc-by", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "mit", "apache-2.0", "bsd-3-clause", "odc-by",
    "odbl", "cdla-permissive-2.0",
})  # fmt: skip


def row_license(text: Source, photo: Source) -> str:
    """The licence of a row whose text and photo come from different places."""
    return f"text: {text.license}; photo: {photo.license}"


def may_publish_photo(source: str, license: str) -> bool:
    """Whether the photo of a row may be published; if not, only ids and annotations.

    Args:
        source (`str`): of the row; for one of `SOURCES` the answer is its `redistributable`.
        license (`str`): of the row, for any other source: yes for the licences known as open (Creative Commons
            without "nd", MIT, Apache-2.0 and the like, by their SPDX names), no for all others and for an unknown one.

    Example:
        >>> may_publish_photo("spaq", "mit"), may_publish_photo("my photos", "CC BY 4.0")
        (False, True)
    """
    for known in SOURCES:
        if known.name == source:
            return known.redistributable
    return "-".join(license.lower().split()) in _OPEN


def how_to_get(source: Source) -> str:
    """Half a sentence for messages: where a corpus is, and under which licence."""
    return f"get {source.title} from {source.url} (licence: {source.license})"
