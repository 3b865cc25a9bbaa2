"""A judge that needs no model: the same mark for the same texts, everywhere.

It stands in for a language model where none is at hand, and every figure made with it carries the name
"lexical". It compares which content words two texts share, after bringing the words of image quality to one
concept each; it reads no meaning beyond that, so it is good for tests and for watching a training, not for a
claim about quality.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ...words import DETERMINERS, PREPOSITIONS, singular, word_set, words

# Two opposite concepts of image quality, each with the words that name it. "not" turns one into the other.
_OPPOSITES = (
    ("sharp", "sharp sharpness sharply clear clearly clarity crisp focused distinct legible"),
    ("blur", "blur blurry blurred blurring blurriness unclear fuzzy hazy defocused unfocused unsharp"),
    ("bright", "bright brightly brightness lit light lighted illuminated"),
    ("dark", "dark dim dimly darkness gloomy unlit shadowy"),
    ("good", "good excellent great nice high fine acceptable perfect satisfactory superior decent"),
    ("bad", "bad poor poorly low terrible awful inferior unsatisfactory mediocre"),
    ("clean", "clean noiseless smooth"),
    ("noise", "noise noisy grain grainy graininess speckle speckled"),
    ("vivid", "vivid vibrant colorful colourful saturated rich"),
    ("dull", "dull faded pale washed desaturated monotonous colorless colourless drab"),
    ("enough", "enough sufficient sufficiently adequate adequately ample appropriate proper accurate"),
    ("lacking", "insufficient insufficiently inadequate inadequately inappropriate improper inaccurate"),
    ("overexposed", "overexposed overexposure"),
    ("underexposed", "underexposed underexposure"),
)
_CONCEPT = {word: concept for concept, listed in _OPPOSITES for word in listed.split()}
_OPPOSITE = {  # the rows stand in pairs
    concept: _OPPOSITES[row ^ 1][0] for row, (concept, _) in enumerate(_OPPOSITES)
}
_PHRASES = (
    ("out-of-focus", "unfocused"),
    ("out of focus", "unfocused"),
    ("in focus", "focused"),
    ("noise-free", "noiseless"),
    ("over-expos", "overexpos"),
    ("under-expos", "underexpos"),
)
_LEADING_ANSWER = re.compile(r"\W*(?:yes|no)\s*[,.;:!]")  # this "no" answers; it does not negate what follows

_NEGATORS = word_set("not no never without lack lacks lacking hardly barely neither nor cannot")
_FILLERS = word_set(
    "is are was were be been being am has have had do does did can could will would should may might must it "
    "he she they them there here and or but so as if then than also very quite rather somewhat slightly "
    "fairly too more most much really overall image picture photo photograph which what why how when where "
    "who whose while due because appear appears look looks seem seems yes we you i answer well"
)
_IDLE = DETERMINERS | PREPOSITIONS | _FILLERS

# Lower bounds of the overlap for marks 4, 3, 2, 1: nearly all, more than half, a third, a trace.
_BOUNDS = ((4, 0.8), (3, 0.55), (2, 0.33), (1, 0.12))


class LexicalJudge:
    """Marks by shared content words.

    The rules, in order:

    1. an empty prediction is 0; the reference's own words, whatever the case and the punctuation, are 4;
    2. if both texts begin with Yes or No and differ there, 0; if the reference is nothing else, 4 where they
       agree;
    3. both texts become sets of content words: articles, prepositions, "image" and the like go, plurals
       become singular, words of image quality become one concept ("blurry", "unclear", "not sharp" are all
       `blur`), and another negated word is a word of its own; words of the question go from both, so that
       repeating it gains and costs nothing;
    4. overlap = 2 * (shared - contradicted) / (words of one + words of the other), at least 0, where a word
       is contradicted when the other text says its opposite instead;
    5. overlap >= 0.8 is 4, >= 0.55 is 3, >= 0.33 is 2, >= 0.12 is 1, less is 0.

    Example:

    ```python
    >>> judge = LexicalJudge()
    >>> judge.score("How clear is the dog?", "Blurry.", "The dog is not clear.")
    4
    >>> judge.score("Is the dog clear?", "No.", "Yes.")
    0
    ```
    """

    name = "lexical"

    def score(self, question: str | None, reference: str, prediction: str) -> int | None:
        """A mark from 0 to 4; this judge never fails."""
        said, true = words(prediction), words(reference)
        if not said or not true:  # no words: only the very same sign says the same
            return 4 if prediction.strip() and prediction.strip() == reference.strip() else 0
        if said == true:
            return 4
        if true in (["yes"], ["no"]):
            return 4 if said[0] == true[0] else 0
        if {said[0], true[0]} == {"yes", "no"}:
            return 0
        asked = _concepts(question) if question else frozenset()
        a = _less(_concepts(prediction), asked)
        b = _less(_concepts(reference), asked)
        if not a or not b:
            return 0
        opposed = sum(1 for word in b - a if (other := _opposite(word)) in a and other not in b)
        overlap = 2 * (len(a & b) - opposed) / (len(a) + len(b))
        return next((mark for mark, bound in _BOUNDS if overlap >= bound), 0)


def _less(found: frozenset[str], asked: frozenset[str]) -> frozenset[str]:
    # "How clear is the dog?" must not take "clear" out of an answer that consists of it, nor "blur" ever.
    kept = frozenset(word for word in found if word not in asked or word in _OPPOSITE)
    return kept or found


@lru_cache(maxsize=1024)  # a question or a reference often comes more than once in a row
def _concepts(text: str) -> frozenset[str]:
    lowered = text.casefold()
    if answer := _LEADING_ANSWER.match(lowered):
        lowered = lowered[answer.end() :]
    for phrase, word in _PHRASES:
        lowered = lowered.replace(phrase, word)
    found, negated = set(), False
    for word in words(lowered):
        if word in _NEGATORS or word.endswith("n't"):
            negated = True
        elif word not in _IDLE:
            concept = _CONCEPT.get(word) or singular(word)
            found.add(_opposite(concept) if negated else concept)
            negated = False
    return frozenset(found)


def _opposite(concept: str) -> str:
    if concept in _OPPOSITE:
        return _OPPOSITE[concept]
    return concept.removeprefix("not ") if concept.startswith("not ") else f"not {concept}"
