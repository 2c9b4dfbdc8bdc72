// Draws the pictures of the page from their data, anew whenever the room for them changes.

const PICTURES = JSON.parse(document.getElementById("data").textContent);
const CHARACTER = 6.8; // pixels, about the width of one in a tick's text
const LETTER = 6.1; // pixels, about the width of one in a label
const SLACK = 2; // pixels beside a bar that still mean it, since some are as thin
const NEAR = 28; // pixels; a pointer farther from a mark does not mean it

function drawPicture(figure) {
  const picture = PICTURES[figure.dataset.picture];
  const room = figure.clientWidth;
  const holder = figure.querySelector(".panels");
  const n = picture.panels.length;
  const columns = n === 1 ? 1 : room > 840 ? Math.min(n, 3) : room > 520 ? 2 : 1;
  const width = Math.floor(room / columns);
  holder.replaceChildren(...picture.panels.map((panel) => drawPanel(panel, picture, n === 1 ? Math.min(room, 760) : width)));
}

function drawPanel(panel, picture, width) {
  const bars = panel.marks.find((mark) => mark.type === "bars");
  const cells = panel.marks.find((mark) => mark.type === "cells");
  const height = chooseHeight(panel, bars, width);
  const longest = Math.max(0, ...panel.y.ticks.map(([, text]) => text.length));
  const yLines = splitLabel(panel.y.label, height - 54);
  const ticksEnd = panel.y.label ? 20 + 14 * yLines.length : 14;
  const left = Math.min(longest * CHARACTER, width * 0.34) + ticksEnd;
  const right = cells ? 78 : 14;
  const xLines = splitLabel(panel.x.label, width - left - right);
  const margin = { left, right, top: 10, bottom: 30 + 14 * xLines.length };
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const svg = document.createElementNS(SVG, "svg");
  const shown = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" };
  for (const [key, value] of Object.entries(shown)) svg.setAttribute(key, value);
  svg.setAttribute("aria-label", describe(picture, panel));
  const place = {
    x: makeScale(panel.x, margin.left, margin.left + inner.width),
    y: makeScale(panel.y, margin.top + inner.height, margin.top),
  };
  drawAxes(svg, panel, place, margin, inner, ticksEnd, bars || cells);
  drawLabels(svg, xLines, yLines, margin, inner);
  const clip = `clip-${(drawPanel.count = (drawPanel.count || 0) + 1)}`;
  const box = { x: margin.left - 8, y: margin.top - 8, width: inner.width + 16, height: inner.height + 16 };
  add(add(svg, "clipPath", { id: clip }), "rect", bars ? { x: 0, y: 0, width, height } : box);
  const group = add(svg, "g", { "clip-path": `url(#${clip})` });
  const hits = [];
  for (const mark of panel.marks) drawMark(group, mark, panel, place, hits);
  if (cells && cells.bar) drawBar(svg, cells, width - 62, margin.top, inner.height);
  listen(svg, hits, width);
  return svg;
}

function chooseHeight(panel, bars, width) {
  if (bars && bars.labels.length) return 34 * bars.labels.length + 62;
  if (bars) return Math.min(Math.max(bars.starts.length * 5, 160), 420) + 54;
  return Math.min(Math.max(width * 0.62, 230), 360);
}

function describe(picture, panel) {
  const axes = panel.y.label ? `${panel.y.label} against ${panel.x.label}` : panel.x.label;
  return `${picture.title}: ${axes}. The numbers are in the table of all runs.`;
}

function makeScale(axis, start, end) {
  const on = axis.isLog ? (value) => Math.log10(Math.max(value, 1e-300)) : (value) => value;
  const [low, high] = axis.limits.map(on);
  return (value) => start + ((on(value) - low) / (high - low || 1)) * (end - start);
}

// A label that is too long for its axis stands in two lines, the unit in the second.
function splitLabel(label, room) {
  return label.length * LETTER > room ? label.replace(" [", "\n[").split("\n") : [label];
}

function drawAxes(svg, panel, place, margin, inner, ticksEnd, isBlank) {
  const bottom = margin.top + inner.height;
  let free = -Infinity; // where the text of the last tick ends
  for (const [value, text] of panel.x.ticks) {
    const x = place.x(value);
    const half = (text.length * CHARACTER) / 2;
    if (!isBlank) add(svg, "line", { x1: x, x2: x, y1: margin.top, y2: bottom, class: "grid" });
    if (x - half < free) continue;
    free = x + half + 8;
    add(svg, "line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "axis" });
    add(svg, "text", { x, y: bottom + 17, "text-anchor": "middle" }, text);
  }
  const room = Math.floor((margin.left - ticksEnd) / CHARACTER) + 1;
  let lowest = Infinity; // where the text of the last tick begins
  for (const [value, text] of panel.y.ticks) {
    const y = place.y(value);
    if (!isBlank) add(svg, "line", { x1: margin.left, x2: margin.left + inner.width, y1: y, y2: y, class: "grid" });
    if (y > lowest) continue;
    lowest = y - 13;
    const cut = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    add(svg, "text", { x: margin.left - 7, y, "text-anchor": "end", "dominant-baseline": "central" }, cut);
  }
  add(svg, "line", { x1: margin.left, x2: margin.left + inner.width, y1: bottom, y2: bottom, class: "axis" });
  add(svg, "line", { x1: margin.left, x2: margin.left, y1: margin.top, y2: bottom, class: "axis" });
  if (panel.ceiling !== null) {
    const y = place.y(panel.ceiling);
    add(svg, "line", { x1: margin.left, x2: margin.left + inner.width, y1: y, y2: y, class: "ceiling" });
  }
}

function drawLabels(svg, xLines, yLines, margin, inner) {
  const style = { "text-anchor": "middle", class: "title" };
  const [x, y] = [margin.left + inner.width / 2, margin.top + inner.height / 2];
  xLines.forEach((line, i) => add(svg, "text", { x, y: margin.top + inner.height + 37 + 14 * i, ...style }, line));
  yLines.forEach((line, i) => {
    add(svg, "text", { transform: `translate(${13 + 14 * i} ${y}) rotate(-90)`, ...style }, line);
  });
}

function drawBar(svg, cells, x, top, height) {
  const n = cells.barColours.length;
  cells.barColours.forEach((fill, i) => {
    const y = top + (height * (n - 1 - i)) / n;
    add(svg, "rect", { x, y, width: 12, height: height / n + 0.5, fill });
  });
  const scale = makeScale(cells.bar, top + height, top);
  for (const [value, text] of cells.bar.ticks) {
    add(svg, "text", { x: x + 17, y: scale(value), "dominant-baseline": "central" }, text);
  }
}

function drawLegend(figure) {
  const entries = new Map();
  for (const panel of PICTURES[figure.dataset.picture].panels) {
    for (const mark of [...panel.marks].reverse()) {
      if (mark.type === "line" && mark.isMain) entries.set(mark.name, mark);
    }
    for (const mark of panel.marks) if (mark.type === "points" && mark.name) entries.set(mark.name, mark);
    for (const mark of panel.marks) {
      if (mark.type !== "cells") continue;
      for (const [name, look] of Object.entries(CELL_MARKS)) {
        if (mark.marked.flat().includes(name)) entries.set(name, look);
      }
      if (mark.best) entries.set("best", { symbol: "frame", colour: "ink" });
    }
  }
  const items = [...entries].map(([name, mark]) => {
    const item = document.createElement("span");
    const sample = document.createElementNS(SVG, "svg");
    sample.setAttribute("width", 18);
    sample.setAttribute("height", 16);
    sample.setAttribute("aria-hidden", "true");
    if (mark.type === "line") {
      add(sample, "line", { x1: 0, x2: 18, y1: 8, y2: 8, stroke: colour(mark.colour), "stroke-width": 2.5 });
    } else if (mark.symbol === "frame") {
      add(sample, "rect", { x: 3, y: 2, width: 12, height: 12, fill: "none", stroke: colour("ink"), "stroke-width": 2 });
    } else {
      drawSymbol(sample, mark.symbol, mark.colour, 9, 8);
    }
    item.append(sample, name);
    return item;
  });
  if (items.length > 1) figure.querySelector(".legend").replaceChildren(...items);
}

function listen(svg, hits, width) {
  const tip = document.getElementById("tip");
  let lit = null;
  const dim = () => {
    if (lit) lit.path.setAttribute("stroke-width", lit.width);
    lit = null;
  };
  const show = (event) => {
    const box = svg.getBoundingClientRect();
    const scale = width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const hit = findHit(hits, x, y);
    dim();
    tip.hidden = !hit;
    if (!hit) return;
    if (hit.path) {
      lit = { path: hit.path, width: hit.path.getAttribute("stroke-width") };
      hit.path.setAttribute("stroke-width", 3.2);
    }
    tip.textContent = hit.text;
    const left = Math.min(event.pageX + 14, window.scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${event.pageY + 16}px`;
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => {
    dim();
    tip.hidden = true;
  });
}

function findHit(hits, x, y) {
  let best = null;
  let least = NEAR;
  for (const hit of hits) {
    if (hit.box) {
      const { box } = hit;
      const isIn = x >= box.x - SLACK && x <= box.x + box.width + SLACK && y >= box.y && y <= box.y + box.height;
      if (isIn) return hit;
      continue;
    }
    const distance = Math.hypot(hit.x - x, hit.y - y) + hit.weight;
    if (distance < least) [best, least] = [hit, distance];
  }
  return best;
}

const figures = [...document.querySelectorAll("figure[data-picture]")];
const seen = new Map(); // room that each figure was drawn for
const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (seen.get(target) === target.clientWidth) continue;
    seen.set(target, target.clientWidth);
    drawPicture(target);
  }
});
for (const figure of figures) {
  drawLegend(figure);
  watcher.observe(figure);
}
