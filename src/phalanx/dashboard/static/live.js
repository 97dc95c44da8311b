// The live page. The stream only says which ways changed; the node renders their rows again,
// so what is shown is always what is stored, also after a gap.

import { RateChart } from "./chart.js";

const REFRESH_MS = 250;
const ROWS_PER_REFRESH = 24;
const ANNOUNCE_MS = 8000;
const RETRY_MS = 5000;

const board = document.getElementById("ways");
const most = Number(board.dataset.most);
const stale = new Set();
let paused = false;
let refreshing = false;
let reloadAll = false;

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.querySelectorAll("tr.way")];
}

/** Marks what differs from the row that was there, so that the eye finds it. */
function markFresh(row, old) {
  row.querySelectorAll(".stop").forEach((stop, i) => {
    if (!stop.classList.contains("none") && stop.textContent !== old?.querySelectorAll(".stop")[i]?.textContent) {
      stop.classList.add("fresh");
    }
  });
}

function place(row) {
  const old = document.getElementById(row.id);
  if (old?.textContent === row.textContent && old.className === row.className) return;
  markFresh(row, old);
  if (old) {
    const focused = old.contains(document.activeElement);
    old.replaceWith(row);
    if (focused) row.querySelector("a").focus();
    return;
  }
  const older = [...board.children].find((other) => other.dataset.at < row.dataset.at);
  board.insertBefore(row, older ?? null);
  while (board.children.length > most) board.lastElementChild.remove();
}

async function refresh() {
  if (refreshing || paused || document.hidden || !(stale.size || reloadAll)) return;
  refreshing = true;
  const query = new URLSearchParams(reloadAll ? [] : [...stale].map((trace) => ["trace", trace]));
  stale.clear();
  reloadAll = false;
  try {
    const answer = await fetch(`/ways?${query}`);
    if (answer.status === 401) location.reload(); // the session is over; the page leads to the login
    if (answer.ok) parsed(await answer.text()).reverse().forEach(place);
    document.getElementById("no-ways")?.toggleAttribute("hidden", board.children.length > 0);
  } catch {
    reloadAll = true; // the node is away; the stream says when it is back
  } finally {
    refreshing = false;
  }
}

// Counters and chart

const counters = document.querySelectorAll("[data-counter]");
const chartElement = document.getElementById("rate");
const chart = new RateChart(chartElement, JSON.parse(chartElement.dataset.history));
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
let previous = null;

const nodeState = document.getElementById("node-state");

function onPulse(pulse) {
  show(pulse.ready ? "Ready" : pulse.read_only ? "Read-only" : "Not ready", pulse.ready ? "good" : "bad", nodeState);
  const seconds = pulse.at_ns / 1e9;
  if (previous) {
    const elapsed = Math.max(seconds - previous.at_ns / 1e9, 0.001);
    pulse.events_per_second = Math.max(0, pulse.events - previous.events) / elapsed;
    chart.add(seconds, pulse.events_per_second, Math.max(0, pulse.findings - previous.findings));
  }
  previous = pulse;
  for (const counter of counters) {
    const value = pulse[counter.dataset.counter];
    if (value !== undefined && !paused) counter.textContent = value === null ? "–" : whole.format(value);
  }
}

// What a screen reader is told: rarely, and in one sentence

const announcement = document.getElementById("announcement");
let found = 0;
let latest = "";

setInterval(() => {
  if (!found || paused) return;
  announcement.textContent = found === 1 ? `New finding: ${latest}` : `${found} new findings, the latest: ${latest}`;
  found = 0;
}, ANNOUNCE_MS);

// The stream

const streamState = document.getElementById("stream-state");

function show(text, kind, pill = streamState) {
  pill.textContent = text;
  pill.className = `pill ${kind}`;
  pill.hidden = false;
}

function connect() {
  const stream = new EventSource("/v1/live");
  stream.addEventListener("open", () => {
    show(paused ? "Paused" : "Live", paused ? "warn" : "good");
    reloadAll = true; // what was missed while away, or since the page was made
  });
  stream.addEventListener("error", () => {
    show("Reconnecting", "bad");
    // A browser resumes a stream that broke, but gives up on one that the node refused.
    if (stream.readyState === EventSource.CLOSED) {
      reloadAll = true;
      setTimeout(connect, RETRY_MS);
    }
  });
  stream.addEventListener("pulse", (event) => onPulse(JSON.parse(event.data)));
  stream.addEventListener("dropped", () => { reloadAll = true; });
  stream.addEventListener("waypoint", (event) => {
    const waypoint = JSON.parse(event.data);
    if (stale.size < ROWS_PER_REFRESH) stale.add(waypoint.trace);
    else reloadAll = true;
    if (waypoint.stage === "finding") {
      found += 1;
      latest = waypoint.summary;
    }
  });
}

const pause = document.getElementById("pause");
pause.addEventListener("click", () => {
  paused = !paused;
  chart.held = paused;
  pause.textContent = paused ? "Resume" : "Pause";
  show(paused ? "Paused" : "Live", paused ? "warn" : "good");
});
pause.hidden = false;

setInterval(refresh, REFRESH_MS);
connect();
