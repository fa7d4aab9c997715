"use strict";
// The page is whole without this: it chooses the browser's language and lets tables be sorted.
{
  const root = document.documentElement;
  const switches = [...document.getElementsByName("language")];
  if (root.dataset.language === "auto") {
    for (const wanted of navigator.languages) {
      const found = switches.find((one) => one.id === wanted.slice(0, 2).toLowerCase());
      if (found) {
        found.checked = true;
        break;
      }
    }
  }
  const follow = () => {
    root.lang = switches.find((one) => one.checked).id;
  };
  for (const one of switches) one.addEventListener("change", follow);
  follow();

  const keyOf = (row, column) => {
    const cell = row.cells[column];
    return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
  };
  const compare = (a, b) =>
    typeof a === "number" ? a - b : a.localeCompare(b, root.lang, { numeric: true });

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const down = before ? before === "ascending" : "down" in head.dataset;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
        rows.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }
}
