"""Columns that line up."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int | tuple[str, str]
"""Text, a number (to the right), or text and its colour."""

GAP = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], colours: bool = False) -> str:
    """Lines without a newline at the end. A column that is empty throughout is left out."""
    from segue.cli.terminal import paint, plain

    texts = [[plain(_text(cell)) for cell in row] for row in rows]
    used = [n for n in range(len(header)) if not rows or any(row[n] for row in texts)]
    widths = {n: max(len(header[n]), *(len(row[n]) for row in texts)) if texts else len(header[n]) for n in used}
    right = {n for n in used if rows and all(isinstance(row[n], int) for row in rows)}

    def line(cells: Sequence[str], colour: Sequence[str]) -> str:
        made = []
        for n in used:
            space = " " * (widths[n] - len(cells[n]))
            text = paint(cells[n], colour[n]) if colours and colour[n] else cells[n]
            made.append(space + text if n in right else text + space)
        return GAP.join(made).rstrip()

    lines = [line(list(header), [""] * len(header))]
    lines += [line(row, [_colour(cell) for cell in cells]) for row, cells in zip(texts, rows, strict=True)]
    return "\n".join(lines)


def _text(cell: Cell) -> str:
    return cell[0] if isinstance(cell, tuple) else str(cell)


def _colour(cell: Cell) -> str:
    return cell[1] if isinstance(cell, tuple) else ""
