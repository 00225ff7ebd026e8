"use strict";
// The page reads without this: it only filters and sorts the table, and opens what is folded when it is printed.
(() => {
  const table = document.getElementById("table");
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; opened.push(part); }
  });
  addEventListener("afterprint", () => { for (const part of opened.splice(0)) part.open = false; });
  if (!table) return;

  const body = table.tBodies[0];
  const words = document.getElementById("words"), least = document.getElementById("least");
  const shown = document.getElementById("shown");
  const rows = Array.from(body.rows, (row) => ({ row, rank: Number(row.dataset.rank), text: null }));

  const filter = () => {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const from = Number(least.value);
    let number = 0;
    for (const each of rows) {
      if (asked.length && each.text === null) {
        const titles = Array.from(each.row.querySelectorAll("[title]"), (cell) => cell.title);
        each.text = `${each.row.textContent} ${titles.join(" ")}`.toLowerCase();
      }
      const fits = each.rank >= from && asked.every((word) => each.text.includes(word));
      if (each.row.hidden === fits) each.row.hidden = !fits;
      number += fits;
    }
    shown.textContent = `${number.toLocaleString("en")} of ${rows.length.toLocaleString("en")} places`;
  };
  let waiting = 0;
  words.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, rows.length > 2000 ? 150 : 0); });
  least.addEventListener("change", filter);
  document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("filter").hidden = false;
  filter();

  const sort = (heading, index) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const isNumber = heading.dataset.by === "number";
    const key = (row) => isNumber ? Number(row.cells[index].dataset.key) : row.cells[index].textContent.trim();
    const keyed = rows.map((each) => [key(each.row), each]);
    const texts = new Intl.Collator("en", { numeric: true });
    keyed.sort(isNumber ? (a, b) => a[0] - b[0] : (a, b) => texts.compare(a[0], b[0]));
    if (down) keyed.reverse();
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sorted = document.createDocumentFragment();
    for (const [, each] of keyed) sorted.append(each.row);
    body.append(sorted);
  };
  Array.from(table.tHead.rows[0].cells).forEach((heading, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sort(heading, index));
    heading.replaceChildren(button);
  });
})();
