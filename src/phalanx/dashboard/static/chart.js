// Events per second (line) and findings (bars) over the last minutes. Fed one point a second.

const SPAN_S = 300;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class RateChart {
  /** `history` holds [unix seconds, events in that second, findings in that second], oldest first. */
  constructor(element, history) {
    this.element = element;
    this.points = history;
    this.held = false;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => window.Plotly && this.draw());
    document.getElementById("chart-library").addEventListener("load", () => this.draw());
    if (window.Plotly) this.draw();
  }

  add(seconds, events, findings) {
    this.points.push([seconds, events, findings]);
    while (this.points.length && this.points[0][0] < seconds - SPAN_S) this.points.shift();
    if (!document.hidden && !this.held && window.Plotly) this.draw();
  }

  draw() {
    const times = this.points.map(([seconds]) => new Date(seconds * 1000).toISOString());
    const end = this.points.length ? this.points.at(-1)[0] : Date.now() / 1000;
    const axis = { color: colour("--muted"), gridcolor: colour("--line"), zeroline: false, rangemode: "tozero", fixedrange: true };
    Plotly.react(
      this.element,
      [
        {
          name: "events/s", type: "scatter", mode: "lines", x: times, y: this.points.map((p) => p[1]),
          line: { color: colour("--accent"), width: 1.6 }, fill: "tozeroy", fillcolor: colour("--accent-soft"),
          hovertemplate: "%{y:,.0f} events/s<extra></extra>",
        },
        {
          name: "findings", type: "bar", x: times, y: this.points.map((p) => p[2] || null), yaxis: "y2", width: 1000,
          marker: { color: colour("--sev-4") }, hovertemplate: "%{y} findings<extra></extra>",
        },
      ],
      {
        margin: { l: 44, r: 34, t: 6, b: 22 },
        paper_bgcolor: "transparent",
        plot_bgcolor: "transparent",
        font: { family: "system-ui, sans-serif", size: 11, color: colour("--muted") },
        showlegend: false,
        hovermode: "x unified",
        hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--text") } },
        xaxis: {
          ...axis, type: "date", showgrid: false, tickformat: "%H:%M:%S", nticks: 5, rangemode: "normal",
          range: [new Date((end - SPAN_S) * 1000).toISOString(), new Date(end * 1000).toISOString()],
        },
        // Events and findings are whole: no ticks between.
        yaxis: { ...axis, nticks: 4, tickformat: "~s", ...(this.most(1) <= 4 ? { dtick: 1 } : {}) },
        yaxis2: {
          ...axis, overlaying: "y", side: "right", showgrid: false, tickformat: "d", range: [0, this.most(2) * 2.5],
          dtick: Math.ceil((this.most(2) * 2.5) / 4),
        },
      },
      { displayModeBar: false, responsive: true },
    );
  }

  most(column) {
    return Math.max(2, ...this.points.map((point) => point[column]));
  }
}
