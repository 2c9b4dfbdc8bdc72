// Sorts and filters the table of all runs. Without it the table stands as it is, best first.

const table = document.getElementById("all-runs");
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
const names = heads.map((head) => head.dataset.name);
const rows = [...body.rows];
const input = document.getElementById("filter");
const count = document.getElementById("filter-count");
const UNFINISHED = /[<>=!]$/; // a condition that is still being typed
const CONDITION = /^(.+?)(<=|>=|!=|<|>|=)(.+)$/;

function sortBy(column) {
  const head = heads[column];
  const isUp = head.getAttribute("aria-sort") !== "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
  const isNumber = head.classList.contains("number");
  const keys = new Map(rows.map((row) => [row, readCell(row, column, isNumber)]));
  const order = (a, b) => (isNumber ? a - b : a.localeCompare(b, "en", { numeric: true }));
  rows.sort((a, b) => {
    const [first, second] = [keys.get(a), keys.get(b)];
    if (first === null || second === null) return (first === null) - (second === null); // missing last
    return isUp ? order(first, second) : order(second, first);
  });
  body.append(...rows);
}

function readCell(row, column, isNumber) {
  const cell = row.cells[column];
  if (isNumber) return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text === "-" ? null : text;
}

function filterRows() {
  const words = input.value.trim().split(/\s+/).filter((word) => word && !UNFINISHED.test(word));
  const made = words.map(makeTest); // a test, or what is wrong with the word
  const tests = made.filter((each) => typeof each !== "string");
  const wrong = made.find((each) => typeof each === "string");
  let shown = 0;
  for (const row of rows) {
    row.hidden = !tests.every((test) => test(row));
    shown += !row.hidden;
  }
  count.classList.toggle("is-wrong", wrong !== undefined);
  count.textContent = wrong ?? `${shown} of ${rows.length} runs`;
}

function makeTest(word) {
  const parts = word.match(CONDITION);
  if (!parts) {
    const wanted = word.toLowerCase();
    return (row) => [...row.cells].some((cell) => cell.textContent.toLowerCase().includes(wanted));
  }
  const [, name, sign, wanted] = parts;
  const column = findColumn(name);
  if (column < 0) return `there is no column ${name}`;
  const number = Number(wanted);
  const isNumber = heads[column].classList.contains("number") && !Number.isNaN(number);
  if (!isNumber && sign !== "=" && sign !== "!=") return `${name}${sign} needs a number`;
  return (row) => compare(readCell(row, column, isNumber), sign, isNumber ? number : wanted);
}

function findColumn(name) {
  const exact = names.indexOf(name);
  return exact >= 0 ? exact : names.findIndex((each) => each.endsWith(`.${name}`));
}

function compare(value, sign, wanted) {
  if (value === null) return sign === "!=";
  switch (sign) {
    case "<": return value < wanted;
    case ">": return value > wanted;
    case "<=": return value <= wanted;
    case ">=": return value >= wanted;
    case "=": return value === wanted;
    default: return value !== wanted;
  }
}

heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sortBy(column)));
input.addEventListener("input", filterRows);
