"""Bar and line charts as SVG, by hand: nothing to install, easy to read in a diff.

The colours follow the reader's scheme, light or dark; each chart has a ground
of its own, so that it is legible on a page that does not.
"""
from html import escape

STYLE = """<style>
text{font:13px system-ui,"DejaVu Sans",sans-serif;fill:#1f2328}
.title{font-size:15px;font-weight:600}.muted{fill:#59636e;font-size:12px}.group{font-weight:600}
.ground{fill:#fff;stroke:#d1d9e0}.grid{stroke:#d1d9e0}.ours{fill:#d9480f}.theirs{fill:#8c959f}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#9198a1}.ground{fill:#0d1117;stroke:#3d444d}
.grid{stroke:#3d444d}.ours{fill:#f76707}.theirs{fill:#6e7681}}
</style>"""
LINES = ["#e8590c", "#228be6", "#12a150", "#9c5ee6", "#d6336c", "#0ca5b8", "#b08800", "#7d8590"]
WIDTH, ROW, GAP, TOP, LABELS, FIGURES = 900, 22, 14, 62, 270, 70
LETTER = 7.4    # the width of one, about: for labels that would be too long


def _open(height, title):
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">', STYLE,
            f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
            f'<text class="title" x="16" y="26">{escape(title)}</text>']


def _shortened(text, width):
    most = int(width / LETTER)
    return text if len(text) <= most else text[:most - 1].rstrip(" ,") + "…"


def bars(path, title, panels, groups):
    """panels: a heading each.  groups: (name or "", rows), each to a scale of its own;
    rows: (label, ours, cells); cells: (value, text) for each panel."""
    rows = sum(len(members) for _, members in groups)
    named = sum(bool(name) for name, _ in groups)
    height = TOP + ROW * (rows + named) + GAP * (len(groups) - 1) + 14
    out = _open(height, title)
    width = (WIDTH - LABELS - 16) / len(panels)
    for at, heading in enumerate(panels):
        out.append(f'<text class="muted" x="{LABELS + at * width:.0f}" y="50">{escape(heading)}</text>')
    y = TOP
    for name, members in groups:
        greatest = [max(cells[at][0] for _, _, cells in members) or 1 for at in range(len(panels))]
        if name:
            out.append(f'<text class="group" x="16" y="{y + 15}">{escape(name)}</text>')
            y += ROW
        for label, ours, cells in members:
            out.append(f'<text x="{LABELS - 8}" y="{y + 15}" text-anchor="end">'
                       f'{escape(_shortened(label, LABELS - 24))}</text>')
            for at, (value, text) in enumerate(cells):
                x = LABELS + at * width
                length = (width - FIGURES) * value / greatest[at]
                out.append(f'<rect class="{"ours" if ours else "theirs"}" x="{x:.0f}" y="{y + 3}" '
                           f'width="{max(length, 1):.1f}" height="{ROW - 6}" rx="2"/>')
                out.append(f'<text x="{x + length + 6:.1f}" y="{y + 15}">{escape(text)}</text>')
            y += ROW
        y += GAP
    _write(path, out)


def lines(path, title, series, step_s, ideal, unit):
    """series: (label, values), a value each step_s seconds."""
    left, right, top, bottom = 66, 580, 66, 330
    out = _open(max(bottom + 40, top + 22 * len(series) + 20), title)
    out.append(f'<text class="muted" x="{left}" y="50">{escape(unit)}</text>')
    greatest = max([ideal] + [max(values, default=0) for _, values in series]) * 1.02
    steps = max((len(values) for _, values in series), default=1)

    def place(i, value):
        return (left + (right - left) * i / max(1, steps), bottom - (bottom - top) * value / greatest)

    for part in range(5):
        value = ideal * part / 4
        y = place(0, value)[1]
        out.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="muted" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    for second in range(int(steps * step_s) + 1):
        x = place(second / step_s, 0)[0]
        out.append(f'<text class="muted" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{second} s</text>')
    strokes = [f'stroke="{LINES[i % len(LINES)]}" stroke-width="{3 if i == 0 else 1.6}"' +
               ("" if i < len(LINES) else ' stroke-dasharray="6 4"') for i in range(len(series))]
    # The first comes last, above the others.
    for (_, values), stroke in reversed(list(zip(series, strokes))):
        points = " ".join("%.1f,%.1f" % place(n + 0.5, value) for n, value in enumerate(values))
        out.append(f'<polyline points="{points}" fill="none" {stroke}/>')
    for i, ((label, _), stroke) in enumerate(zip(series, strokes)):
        y = top + 4 + i * 22
        out.append(f'<line x1="{right + 18}" x2="{right + 42}" y1="{y}" y2="{y}" {stroke}/>')
        out.append(f'<text x="{right + 50}" y="{y + 4}">'
                   f'{escape(_shortened(label, WIDTH - right - 60))}</text>')
    _write(path, out)


def _write(path, out):
    with open(path, "w") as file:
        file.write("\n".join(out + ["</svg>"]) + "\n")
