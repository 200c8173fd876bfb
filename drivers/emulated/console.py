"""A text console as a model: lines that scroll, an input line with a cursor, a status line; no time, no I/O.

Must never draw: it gives rows of coloured cells to whoever does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from drivers.video.text import Line, Rgb, Run

GREY: Rgb = (192, 192, 192)
WHITE: Rgb = (255, 255, 255)
GREEN: Rgb = (96, 255, 96)
YELLOW: Rgb = (255, 224, 96)
BLACK: Rgb = (0, 0, 0)
STATUS_FOREGROUND: Rgb = BLACK
STATUS_BACKGROUND: Rgb = (168, 168, 168)

CELL_WIDTH_PX = 8
CELL_HEIGHT_PX = 16

# More than anybody scrolls back with a wheel; about 2 MB of the longest lines.
HISTORY_LINES = 2000


class TextScreen:
    """A screen of fixed lines, such as the firmware's."""

    def __init__(self, width_px: int, height_px: int, touch: Callable[[], None]) -> None:
        self.width_px = width_px
        self.height_px = height_px
        self._touch = touch
        self._lines: dict[int, Line] = {}

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return self.width_px // CELL_WIDTH_PX

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return self.height_px // CELL_HEIGHT_PX

    def write(self, row: int, text: str, foreground: Rgb = GREY, background: Rgb = BLACK) -> None:
        """Set the text of a row."""
        self._lines[row] = (Run(text[: self.columns], foreground, background),)
        self._touch()

    def lines(self) -> Sequence[Line]:
        """The rows of cells, from the top."""
        return [self._lines.get(row, ()) for row in range(self.rows)]


class Console:
    """The operating system's console. The last row is the status line."""

    def __init__(
        self, width_px: int, height_px: int, touch: Callable[[], None], status: Callable[[], str]
    ) -> None:
        self.width_px = width_px
        self.height_px = height_px
        self._touch = touch
        self._status = status
        self._history: deque[Line] = deque(maxlen=HISTORY_LINES)
        self._prompt: str | None = None
        self._input = ""
        self._cursor = 0
        self._scrolled = 0

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return self.width_px // CELL_WIDTH_PX

    @property
    def text_rows(self) -> int:
        """Rows of cells above the status line."""
        return self.height_px // CELL_HEIGHT_PX - 1

    @property
    def scrolled_lines(self) -> int:
        """How far the view is scrolled back."""
        return self._scrolled

    def resize(self, width_px: int, height_px: int) -> None:
        """Change the screen's size; lines that are too long are cut off."""
        self.width_px, self.height_px = width_px, height_px
        self._scrolled = 0
        self._touch()

    def print(self, text: str, foreground: Rgb = GREY) -> None:
        """Print lines; those longer than the screen go on in the next row."""
        for line in text.expandtabs(8).split("\n"):
            # Control characters have no glyph and would only confuse.
            clean = "".join(character if character.isprintable() else "\ufffd" for character in line)
            for at in range(0, max(1, len(clean)), self.columns):
                self._history.append((Run(clean[at : at + self.columns], foreground),))
        self._scrolled = 0
        self._touch()

    def print_cells(self, line: Line) -> None:
        """Print one row of coloured cells."""
        self._history.append(line)
        self._scrolled = 0
        self._touch()

    def clear(self) -> None:
        """Forget all lines."""
        self._history.clear()
        self._scrolled = 0
        self._touch()

    def set_input(self, prompt: str | None, text: str = "", cursor: int = 0) -> None:
        """Show what is being typed behind a prompt, or nothing."""
        self._prompt, self._input, self._cursor = prompt, text, cursor
        self._scrolled = 0
        self._touch()

    def accept_input(self) -> None:
        """Make the input line an ordinary line."""
        for line in self._input_lines(with_cursor=False):
            self._history.append(line)
        self.set_input(None)

    def scroll(self, lines: int) -> None:
        """Scroll back (positive) or forth."""
        most = max(0, len(self._history) + len(self._input_lines()) - self.text_rows)
        self._scrolled = max(0, min(most, self._scrolled + lines))
        self._touch()

    def lines(self) -> Sequence[Line]:
        """The rows of cells, from the top."""
        rows = self.text_rows
        typed = self._input_lines()
        end = len(self._history) + len(typed) - self._scrolled
        start = max(0, end - rows)
        history = self._history
        visible = [history[at] if at < len(history) else typed[at - len(history)] for at in range(start, end)]
        status = self._status()[: self.columns].ljust(self.columns)
        return [
            *visible,
            *[()] * (rows - len(visible)),
            (Run(status, STATUS_FOREGROUND, STATUS_BACKGROUND),),
        ]

    def _input_lines(self, *, with_cursor: bool = True) -> list[Line]:
        """Return the prompt and the input, broken at the screen's width, the cursor as an inverse cell."""
        if self._prompt is None:
            return []
        runs = [Run(self._prompt, GREEN), Run(self._input, GREY)]
        if with_cursor:
            text, at = self._input + " ", self._cursor
            runs[1:] = [Run(text[:at], GREY), Run(text[at], BLACK, GREY), Run(text[at + 1 :], GREY)]
        return _broken([run for run in runs if run.text], self.columns)


def _broken(runs: Sequence[Run], columns: int) -> list[Line]:
    lines: list[Line] = []
    row: list[Run] = []
    free = columns
    for run in runs:
        text = run.text
        while text:
            row.append(run._replace(text=text[:free]))
            text, free = text[free:], max(0, free - len(text))
            if not free:
                lines.append(tuple(row))
                row, free = [], columns
    return [*lines, tuple(row)] if row or not lines else lines
