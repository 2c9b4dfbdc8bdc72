// The marks of a picture as SVG: lines with bands, points, cells and bars.
// `place` has functions x and y from values to pixels; `hits` collects what one can point at.

const SVG = "http://www.w3.org/2000/svg";
const SYMBOL_SIZE = 3.4; // pixels, half the width of a mark
const CELL_MARKS = { // what is said of a cell -> its mark
  diverged: { symbol: "cross", colour: "vermilion" },
  pruned: { symbol: "diamond", colour: "orange" },
};

function add(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function colour(name) {
  return `var(--${name})`;
}

function drawMark(svg, mark, panel, place, hits) {
  const draw = { line: drawLine, points: drawPoints, cells: drawCells, bars: drawBars };
  draw[mark.type](svg, mark, panel, place, hits);
}

function drawLine(svg, line, panel, place, hits) {
  const steps = panel.steps[line.steps];
  const at = (values) => values.map((y, i) => `${place.x(steps[i]).toFixed(1)},${place.y(y).toFixed(1)}`);
  if (line.low.length) {
    const edge = [...at(line.high), ...at(line.low).reverse()];
    add(svg, "polygon", { points: edge.join(" "), fill: colour(line.colour), opacity: 0.18 });
  }
  const path = add(svg, "polyline", {
    points: at(line.y).join(" "), fill: "none", stroke: colour(line.colour), "stroke-linejoin": "round",
    "stroke-width": line.isMain ? 2 : 0.8, opacity: line.isMain ? 1 : 0.5,
  });
  steps.forEach((step, i) => {
    const text = `${line.name}\n${panel.x.label}: ${shorten(step)}\n${panel.y.label}: ${shorten(line.y[i])}`;
    hits.push({ x: place.x(step), y: place.y(line.y[i]), text, path, weight: line.isMain ? 0 : 6 });
  });
}

function drawPoints(svg, points, panel, place, hits) {
  points.x.forEach((value, i) => {
    const x = place.x(value);
    const y = place.y(points.y[i]);
    drawSymbol(svg, points.symbol, points.colour, x, y);
    hits.push({ x, y, text: points.texts[i], weight: 0 });
  });
}

function drawSymbol(svg, symbol, name, x, y) {
  const r = SYMBOL_SIZE;
  const stroke = { stroke: colour(name), "stroke-width": 1.8, fill: "none" };
  const fill = { fill: colour(name), opacity: 0.75 };
  if (symbol === "cross") {
    const path = `M${x - r},${y - r}L${x + r},${y + r}M${x - r},${y + r}L${x + r},${y - r}`;
    return add(svg, "path", { d: path, ...stroke });
  }
  if (symbol === "ring") return add(svg, "circle", { cx: x, cy: y, r: 2 * r, ...stroke });
  if (symbol === "dot") return add(svg, "circle", { cx: x, cy: y, r, ...fill });
  const shapes = {
    square: [[-r, -r], [r, -r], [r, r], [-r, r]],
    diamond: [[0, -1.3 * r], [1.3 * r, 0], [0, 1.3 * r], [-1.3 * r, 0]],
    triangle: [[-r, -r], [r, -r], [0, 1.2 * r]],
  };
  const corners = shapes[symbol].map(([dx, dy]) => `${x + dx},${y + dy}`);
  return add(svg, "polygon", { points: corners.join(" "), ...fill });
}

function drawCells(svg, cells, panel, place, hits) {
  const box = (row, column) => {
    const [left, right] = [place.x(cells.xEdges[column]), place.x(cells.xEdges[column + 1])];
    const [bottom, top] = [place.y(cells.yEdges[row]), place.y(cells.yEdges[row + 1])];
    return { x: left, y: top, width: right - left, height: bottom - top };
  };
  cells.texts.forEach((texts, row) =>
    texts.forEach((text, column) => {
      const at = box(row, column);
      const fill = cells.colours[row][column] || colour("empty");
      add(svg, "rect", { ...at, fill, stroke: colour("paper"), "stroke-width": 1 });
      const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];
      if (cells.marked[row][column]) drawCellMark(svg, CELL_MARKS[cells.marked[row][column]], x, y);
      hits.push({ x, y, box: at, text });
    }),
  );
  if (cells.best) {
    const at = { ...box(...cells.best), fill: "none" };
    add(svg, "rect", { ...at, stroke: colour("paper"), "stroke-width": 5 });
    add(svg, "rect", { ...at, stroke: colour("ink"), "stroke-width": 2 });
  }
}

function drawCellMark(svg, look, x, y) {
  if (look.symbol !== "cross") {
    const mark = drawSymbol(svg, look.symbol, look.colour, x, y);
    for (const [key, value] of Object.entries({ opacity: 1, stroke: "#fff" })) mark.setAttribute(key, value);
    return;
  }
  const r = 5;
  const path = `M${x - r},${y - r}L${x + r},${y + r}M${x - r},${y + r}L${x + r},${y - r}`;
  add(svg, "path", { d: path, stroke: "#fff", "stroke-width": 5, "stroke-linecap": "round" });
  add(svg, "path", { d: path, stroke: "#d55e00", "stroke-width": 2.4, "stroke-linecap": "round" });
}

function drawBars(svg, bars, panel, place, hits) {
  const thickness = place.y(0) - place.y(1);
  const height = bars.starts.length > 40 ? thickness : 0.72 * thickness;
  bars.starts.forEach((start, i) => {
    const x = place.x(start);
    const width = Math.max(place.x(bars.ends[i]) - x, 1);
    const at = { x, y: place.y(i) - height / 2, width, height };
    add(svg, "rect", { ...at, fill: colour(bars.colours[i]) });
    if (bars.labels.length) {
      const label = { x: x + width + 6, y: place.y(i), "dominant-baseline": "central", class: "title" };
      add(svg, "text", label, bars.labels[i]);
    }
    hits.push({ x: x + width / 2, y: place.y(i), box: at, text: bars.texts[i] });
  });
}

function shorten(value) {
  return String(Number(value.toPrecision(5)));
}
