"""Whether a text holds boxes, or the remains of some, in the notation of any model that writes them.

A description is the clean text of a grounded one (spec A1), so it must hold none: a reader of the finished row would
take them for its boxes, and the lexicon their numbers for things. In what is left of an answer after its boxes were
read they tell a model that never tried to write one from a model whose boxes are broken, or of another form.
"""

from __future__ import annotations

import re

_NUMBER = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)%?"
_COMMA = r"(?:\s*+[,;]\s*+|\s++)"
_PAIR = rf"[(\[{{]\s*+{_NUMBER}\s*+[,;]\s*+{_NUMBER}\s*+[)\]}}]"
_BOXES = re.compile(
    rf"""\]\s*+\(\s*+[<\[(]?\s*+{_NUMBER}                      # [tower](<35,319>), [tower](0.1, 0.2, 0.3, 0.4)
    |\]\s*+\(\s*+<                                            # [tower](<
    |<\s*+\d++\s*+,\s*+\d++\s*+>                              # <35, 319>
    |(?<!\d)(?<!\d\s)<\d++\s*+[,>]                            # <35, but not 3 <5,
    |[\[({{<]\s*+{_NUMBER}(?:{_COMMA}{_NUMBER}){{3,}}+\s*+[\])}}>]  # [12, 30, 40, 50]
    |{_PAIR}\s*+[,;]?\s*+{_PAIR}                               # (12, 30), (40, 50)
    |[\[(]\s*+0?\.\d++\s*+,\s*+0?\.\d++\s*+[\])]             # (0.12, 0.3)
    |</?\|?/?(?:box|bbox|quad|ref|det|loc|object_ref|object|phrase|patch_index|grounding)(?:_(?:start|end))?_?\d*+\|?>
    |"bbox(?:_2d)?"\s*+:                                       # JSON of Qwen and others
    |\b[xy](?:_?(?:min|max|[12]))\s*+[=:]\s*+[-+.\d]           # x1=0.3, ymax: 20
    """,
    re.VERBOSE | re.IGNORECASE,
)


def boxes_in(text: str) -> str | None:
    """The first box notation in a text, or the part that tells it; `None` where there is none.

    Args:
        text (`str`): anything; linear in its length.

    Example:
        >>> boxes_in("The [cat](<35,319>) is sharp."), boxes_in("A [red] (old) car, f/2.8, ISO (100, 200).")
        ('](<35', None)
    """
    found = _BOXES.search(text)
    return found.group() if found else None
