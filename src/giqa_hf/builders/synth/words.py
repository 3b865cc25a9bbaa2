"""What giqa-synth says: words for the distortion families, sentence forms for GIQA-DES and GIQA-VQA.

Slots: `{obj}` is the name of the thing and becomes a region with its boxes; `{objs}` a list of such things;
`{noun}` and `{adj}` name the distortion, `{grade}` and `{adverb}` its strength, `{overall}` the verdict. A verb in
braces (`{is}`, `{looks}`, …) takes the number of the thing. A capital slot (`{Noun}`) starts the sentence.
"""

from __future__ import annotations

NOUNS = {
    "blur": "blur",
    "noise": "noise",
    "compression": "compression damage",
    "brighten": "overexposure",
    "darken": "underexposure",
    "contrast_strengthen": "harshness",
    "contrast_weaken": "contrast loss",
    "saturate_strengthen": "oversaturation",
    "saturate_weaken": "color loss",
    "oversharpen": "oversharpening",
    "pixelate": "pixelation",
    "quantization": "color banding",
}
ADJECTIVES = {
    "blur": "blurry",
    "noise": "noisy",
    "compression": "overcompressed",
    "brighten": "overexposed",
    "darken": "underexposed",
    "contrast_strengthen": "harsh",
    "contrast_weaken": "washed out",
    "saturate_strengthen": "oversaturated",
    "saturate_weaken": "faded",
    "oversharpen": "oversharpened",
    "pixelate": "pixelated",
    "quantization": "banded",
}
ADVERBS = {"slight": "slightly", "moderate": "moderately", "severe": "severely"}
OVERALL = {None: "good", "slight": "fair", "moderate": "poor", "severe": "bad"}
"""The verdict on a scene, by the worst grade in it."""

VERBS = {
    "is": "are", "was": "were", "has": "have", "does": "do", "looks": "look", "appears": "appear", "shows": "show",
    "suffers": "suffer", "stays": "stay", "keeps": "keep", "remains": "remain", "loses": "lose", "seems": "seem",
    "comes": "come", "carries": "carry",
}  # fmt: skip

DES_SPOILED = (
    "The {obj} {is} {adverb} {adj}.",
    "The {obj} {looks} {adj}, with {grade} {noun}.",
    "There is {grade} {noun} on the {obj}.",
    "{Grade} {noun} spoils the {obj}.",
    "The {obj} {suffers} from {grade} {noun}.",
    "The {obj} {shows} {grade} {noun}.",
    "On the {obj}, {grade} {noun} catches the eye.",
    "The {obj} {appears} {adverb} {adj}.",
    "One sees {grade} {noun} across the {obj}.",
    "The {obj} {has} {grade} {noun}.",
    "The {obj} {comes} out {adverb} {adj}.",
    "{Grade} {noun} is visible on the {obj}.",
    "The {obj} {loses} quality through {grade} {noun}.",
    "The look of the {obj} is hurt by {grade} {noun}.",
    "The {obj} {was} rendered {adverb} {adj}.",
    "The {obj} {seems} {adj}; the {noun} is {grade}.",
    "The {obj} {carries} {grade} {noun}.",
    "In the area of the {obj} there is {grade} {noun}.",
)
DES_CLEAN = (
    "The {objs} {is} clean.",
    "The {objs} {looks} clean and natural.",
    "No flaw is visible on the {objs}.",
    "The {objs} {stays} free of distortion.",
    "The {objs} {keeps} natural detail.",
    "The {objs} {remains} clean.",
    "Nothing is wrong with the {objs}.",
    "The {objs} {appears} clean, with natural detail.",
    "Detail on the {objs} is intact.",
    "The {objs} {shows} no distortion.",
    "The {objs} {comes} out well.",
    "The {objs} {has} good quality.",
)
DES_CLOSING = (
    "Overall, the quality is {overall}.",
    "The image quality is {overall} overall.",
    "All in all the picture is of {overall} quality.",
    "Taken together, the quality is {overall}.",
    "In sum, this is a photo of {overall} quality.",
    "The overall verdict is {overall}.",
    "As a whole the image is {overall}.",
    "This makes the overall quality {overall}.",
    "So the picture rates as {overall}.",
    "The final judgement is {overall}.",
    "Overall the photo counts as {overall}.",
    "Its total quality is {overall}.",
)

YES_NO_FAMILY = (
    "{Is} the {obj} {adj}?",
    "{Does} the {obj} show {noun}?",
    "Is there {noun} on the {obj}?",
    "Can {noun} be seen on the {obj}?",
    "{Does} the {obj} suffer from {noun}?",
    "Would you call the {obj} {adj}?",
    "{Does} the {obj} look {adj}?",
    "Is {noun} a problem of the {obj}?",
    "{Has} the {obj} been degraded by {noun}?",
    "Is the quality of the {obj} reduced by {noun}?",
)
YES_NO_CLEAN = (
    "{Is} the {obj} clean?",
    "{Is} the {obj} free of distortion?",
    "{Does} the {obj} look natural?",
    "Is the quality of the {obj} good?",
    "{Has} the {obj} been captured without flaws?",
    "{Does} the {obj} keep its natural detail?",
    "Is everything fine with the {obj}?",
    "Can the {obj} pass as undistorted?",
)
WHAT_REFERRING = (
    "What is wrong with the {obj}?",
    "What distortion affects the {obj}?",
    "What degrades the {obj}?",
    "What flaw {does} the {obj} show?",
    "What problem is visible on the {obj}?",
    "What kind of degradation is on the {obj}?",
    "What lowers the quality of the {obj}?",
    "What spoils the {obj}?",
    "What is the main defect of the {obj}?",
    "What has happened to the quality of the {obj}?",
)
WHAT_GROUNDING = (
    "What is {adj} in the image?",
    "What in the picture is {adj}?",
    "What shows {noun}?",
    "What suffers from {noun} here?",
    "What part of the photo has {noun}?",
    "What looks {adj}?",
    "What is affected by {noun}?",
    "What has been degraded by {noun}?",
    "What object carries {noun}?",
    "What region is {adj}?",
)
WHY_REFERRING = (
    "Why {does} the {obj} look bad?",
    "Why is the quality of the {obj} low?",
    "Why {is} the {obj} not clean?",
    "Why {does} the {obj} lose quality?",
    "Why {is} the {obj} hard to enjoy?",
    "Why {does} the {obj} seem degraded?",
    "Why would one reject the {obj}?",
    "Why is the detail of the {obj} damaged?",
)
WHY_GROUNDING = (
    "Why is the overall quality reduced?",
    "Why is this photo not perfect?",
    "Why does the image lose quality?",
    "Why would you mark this picture down?",
    "Why is the picture flawed?",
    "Why does the photo look degraded?",
)
HOW_SPOILED = (
    "How strong is the {noun} on the {obj}?",
    "How severe is the {noun} of the {obj}?",
    "How much {noun} {does} the {obj} show?",
    "How serious is the {noun} on the {obj}?",
    "How visible is the {noun} on the {obj}?",
    "How bad is the {noun} of the {obj}?",
)
HOW_ANY = (
    "How {does} the {obj} look?",
    "How is the quality of the {obj}?",
    "How clean {is} the {obj}?",
    "How well {is} the {obj} rendered?",
    "How would you rate the {obj}?",
    "How natural {is} the {obj}?",
)
