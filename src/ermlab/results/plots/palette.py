"""Colours and symbols with one meaning in all pictures.

Okabe and Ito (2008), "Color Universal Design": the colours stay apart for every kind of colour
vision; symbols and widths keep them apart in grey print.
"""

COLOURS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "ink": "#000000",
    "muted": "#999999",
}
SERIES = ("blue", "vermilion", "green", "purple", "orange", "sky")  # told apart as curves

# symbol -> how matplotlib and plotly call it; the report's script draws the same
SYMBOLS = {
    "dot": ("o", "circle"),
    "cross": ("x", "x-thin-open"),
    "triangle": ("v", "triangle-down"),
    "diamond": ("D", "diamond"),
    "ring": ("o", "circle-open"),
    "square": ("s", "square"),
}
# status -> colour and symbol, the same in each picture
STATUS_MARKS = {
    "completed": ("blue", "dot"),
    "stopped_early": ("green", "square"),
    "pruned": ("orange", "diamond"),
    "diverged": ("vermilion", "cross"),
    "failed": ("ink", "triangle"),
    "unfinished": ("muted", "ring"),
}
CELL_MARKS = ("diverged", "pruned")  # what the mark of a cell on a map can say
WITHOUT_RESULT = ("diverged", "failed", "unfinished")  # a loss of theirs is no result
SHADES = "cividis"  # made for colour-blind readers: Nunez, Anderton and Renslow (2018)
