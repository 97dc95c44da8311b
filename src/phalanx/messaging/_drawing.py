"""A graph of processes as a picture: SVG, written by hand, so that drawing needs no library."""

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from phalanx.messaging._overlay import Graph
from phalanx.messaging._topology import Places, TopologyReport

_SIDE, _MARGIN, _TEXT_LINE = 420, 24, 17
_HEAD = 46
# Told apart by hue and, for those who do not see hues, by the legend's order.
_COLOURS = (
    "#4269d0",
    "#efb118",
    "#ff725c",
    "#6cc5b0",
    "#3ca951",
    "#ff8ab7",
    "#a463f2",
    "#97bbf5",
    "#9c6b4e",
    "#9498a0",
)
_MAX_DRAWN_LINKS = 6_000
_MAX_DRAWN_NAMES = 24


def drawn(places: Places, graphs: Mapping[str, Graph], report: TopologyReport) -> str:
    """All graphs side by side over the same places, each with its figures."""
    figures = {one.graph: one for one in report.graphs}
    width, height = _SIDE * len(graphs), _SIDE + _HEAD + 6 * _TEXT_LINE
    source = "as far apart as was measured" if report.measured else "at random places (simulated)"
    title = (
        f"{report.processes} processes of {report.organisations} organisations {source}; "
        f"{report.silent_share:.0%} silent, {report.trials} trials"
    )
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
            ' font-size="12">'
        ),
        f"<title>Graphs of processes ({'measured ways' if report.measured else 'simulated places'})</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="20" font-size="14">{title}</text>',
    ]
    for at, (name, graph) in enumerate(graphs.items()):
        one = figures[name]
        parts.append(f'<g transform="translate({at * _SIDE} {_HEAD})">')
        parts += _links(places, graph)
        parts += _dots(places)
        parts += _names(places)
        mended = (
            "" if one.repaired_coverage is None else f"; mended {one.repaired_coverage:.1%}, {one.rewired} links new"
        )
        told = (
            f"{name}",
            f"degree {one.degree_mean:.1f}, at most {one.degree_most}; {one.links} links",
            f"{one.copies:.1f} copies each",
            f"reached after {one.path_ms_p50:.1f} ms (p50), {one.path_ms_p99:.1f} ms (p99)",
            f"coverage {one.coverage_mean:.2%}, least {one.coverage_least:.2%}{mended}",
        )
        parts += [
            f'<text x="{_MARGIN}" y="{_SIDE + (line + 1) * _TEXT_LINE}"'
            f"{' font-weight=' + quoteattr('bold') if line == 0 else ''}>{escape(text)}</text>"
            for line, text in enumerate(told)
        ]
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _links(places: Places, graph: Graph) -> list[str]:
    pairs = [(here, there) for here, near in graph.items() for there in near if here < there]
    if len(pairs) > _MAX_DRAWN_LINKS:
        text = f"all {len(pairs):,} links: not drawn"
        return [f'<text x="{_SIDE / 2}" y="{_SIDE / 2}" text-anchor="middle" fill="#777777">{text}</text>']
    path = []
    for here, there in pairs:
        (x, y), (u, v) = _at(places, here), _at(places, there)
        path.append(f"M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}")
    opacity = 0.8 if len(pairs) < 2 * len(graph) else 0.15
    return [f'<path d="{"".join(path)}" fill="none" stroke="#555555" stroke-width="0.7" stroke-opacity="{opacity}"/>']


def _dots(places: Places) -> list[str]:
    colours = {
        organisation: _COLOURS[j % len(_COLOURS)]
        for j, organisation in enumerate(sorted(set(places.organisations.values())))
    }
    return [
        f'<circle cx="{_at(places, name)[0]:.1f}" cy="{_at(places, name)[1]:.1f}" r="2.4" '
        f'fill="{colours[organisation]}"/>'
        for name, organisation in places.organisations.items()
    ]


def _names(places: Places) -> list[str]:
    """Who each is, where few are."""
    if len(places.at) > _MAX_DRAWN_NAMES:
        return []
    parts = []
    for name in places.at:
        x, y = _at(places, name)
        is_right = x > _SIDE / 2
        parts.append(
            f'<text x="{x + (-5 if is_right else 5):.1f}" y="{y - 4:.1f}" font-size="10" fill="#333333"'
            f' text-anchor="{"end" if is_right else "start"}">{escape(name)}</text>'
        )
    return parts


def _at(places: Places, name: str) -> tuple[float, float]:
    inner = _SIDE - 2 * _MARGIN
    return tuple(_MARGIN + inner * min(1.0, max(0.0, one)) for one in places.at[name])  # type: ignore[return-value]
