// Sorts tables where their headings are pressed (report/html.c). Without it they stand as written.
"use strict";

// What a cell sorts by: its first number, else its text; "-" and nothing come last.
function sortKey(text) {
  const number = text.replace(/\u2212/g, "-").match(/^[^\d]*?([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)/i);
  return { text, number: number ? Number(number[1]) : NaN, empty: text === "" || text === "-" };
}

function compareKeys(a, b, sign, numeric) {
  if (a.empty || b.empty) return a.empty - b.empty;
  if (!numeric) return sign * a.text.localeCompare(b.text, undefined, { numeric: true });
  if (Number.isNaN(a.number) || Number.isNaN(b.number)) {
    return Number.isNaN(a.number) - Number.isNaN(b.number);
  }
  return sign * (a.number - b.number);
}

// Groups of rows stay groups, each under its heading.
function sortBody(body, column, numeric, descending) {
  const rows = Array.from(body.rows, (row) => row).filter((row) => !row.classList.contains("heading"));
  const keyed = rows.map((row) => ({ row, key: sortKey(row.cells[column].textContent.trim()) }));
  keyed.sort((a, b) => compareKeys(a.key, b.key, descending ? -1 : 1, numeric));
  for (const { row } of keyed) {
    row.classList.remove("gap", "group"); // they hold in the order as written only
    body.append(row);
  }
}

function sortTable(table, column, descending) {
  const heading = table.tHead.rows[table.tHead.rows.length - 1].cells[column];
  const numeric = !heading.classList.contains("label");
  for (const body of table.tBodies) sortBody(body, column, numeric, descending);
}

function makeSortable(table) {
  if (!table.tHead) return;
  const headings = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);
  headings.forEach((heading, column) => {
    if (heading.textContent.trim() === "" || heading.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortTable(table, column, descending);
    });
  });
}

// A link into a folded part opens it.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (let at = target; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") at.open = true;
  }
  if (target) target.scrollIntoView();
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  window.addEventListener("hashchange", openTarget);
  openTarget();
});
