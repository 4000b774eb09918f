"""Bar and line charts as SVG, by hand: nothing to install, easy to read in a diff."""
from html import escape

OURS, THEIRS = "#c2410c", "#64748b"
LINES = ["#c2410c", "#2563eb", "#059669", "#7c3aed", "#b45309", "#0891b2", "#be123c", "#475569"]
WIDTH, ROW, LEFT, TOP = 900, 24, 370, 44


def _open(width, height, title):
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="12" y="24" font-size="15" font-weight="bold">{escape(title)}</text>']


def bars(path, title, rows):
    """rows: (label, value, text, ours); longest bar is the greatest value."""
    height = TOP + ROW * len(rows) + 12
    out = _open(WIDTH, height, title)
    greatest = max((value for _, value, _, _ in rows), default=0) or 1
    for i, (label, value, text, ours) in enumerate(rows):
        y = TOP + i * ROW
        length = (WIDTH - LEFT - 120) * value / greatest
        out.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        out.append(f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 7}" '
                   f'fill="{OURS if ours else THEIRS}"/>')
        out.append(f'<text x="{LEFT + length + 6:.1f}" y="{y + 15}">{escape(text)}</text>')
    _write(path, out)


def lines(path, title, series, step_s, ideal, unit):
    """series: (label, values), a value each step_s seconds."""
    width, height, left, bottom = WIDTH, 380, 60, 320
    right, top = 520, 50
    out = _open(width, height, title)
    greatest = max([ideal] + [max(values, default=0) for _, values in series]) * 1.05
    steps = max((len(values) for _, values in series), default=1)

    def place(i, value):
        return (left + (right - left) * i / max(1, steps - 1),
                bottom - (bottom - top) * value / greatest)

    for part in range(5):
        value = ideal * part / 4
        y = place(0, value)[1]
        out.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e2e8f0"/>')
        out.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    for second in range(int(steps * step_s) + 1):
        x = place(second / step_s, 0)[0]
        if x <= right:
            out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{second} s</text>')
    out.append(f'<text x="{left}" y="{bottom + 42}">{escape(unit)}; {ideal:,.0f} is the ideal</text>')
    for i, (label, values) in enumerate(series):
        colour = LINES[i % len(LINES)]
        dash = "" if i < len(LINES) else ' stroke-dasharray="5 3"'
        points = " ".join("%.1f,%.1f" % place(n, value) for n, value in enumerate(values))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                   f'stroke-width="{3 if i == 0 else 1.5}"{dash}/>')
        y = top + 6 + i * 20
        out.append(f'<line x1="{right + 16}" x2="{right + 36}" y1="{y}" y2="{y}" '
                   f'stroke="{colour}" stroke-width="3"{dash}/>')
        out.append(f'<text x="{right + 42}" y="{y + 4}" font-size="12">{escape(label)}</text>')
    _write(path, out)


def _write(path, out):
    with open(path, "w") as file:
        file.write("\n".join(out + ["</svg>"]) + "\n")
