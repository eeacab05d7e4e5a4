"use strict";

// Tables sort by their headers: first click the useful way round, second the other, third as they were.
(() => {
  const announce = document.getElementById("announce");

  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    const text = cell.textContent.trim();
    return text === "" ? null : text;
  };

  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number"
      ? one - other
      : String(one).localeCompare(String(other), "en", { numeric: true });

  const upgrade = (table) => {
    const bodies = [...table.tBodies];
    const original = bodies.map((body) => [...body.rows]);
    const rows = original.flat().filter((row) => !row.classList.contains("group"));
    if (rows.length < 2) return;
    const headers = [...table.tHead.rows[0].cells];

    const restore = () => bodies.forEach((body, index) => body.append(...original[index]));

    const sort = (column, direction) => {
      const keyed = rows.map((row) => [value(row, column), row]);
      const known = keyed.filter(([key]) => key !== null);
      const unknown = keyed.filter(([key]) => key === null);
      known.sort(([one], [other]) => (direction === "ascending" ? compare(one, other) : compare(other, one)));
      bodies.forEach((body) => body.replaceChildren());
      bodies[0].append(...[...known, ...unknown].map(([, row]) => row));
    };

    headers.forEach((header, column) => {
      const label = header.querySelector(".head");
      const button = document.createElement("button");
      button.type = "button";
      button.append(...label.childNodes);
      // Buttons are missing from headers that a printer repeats; words are not.
      const printed = document.createElement("span");
      printed.className = "printed";
      printed.setAttribute("aria-hidden", "true");
      printed.textContent = button.textContent;
      label.replaceChildren(button, printed);
      header.setAttribute("aria-sort", "none");
      const order = header.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
      button.addEventListener("click", () => {
        const direction = order[order.indexOf(header.getAttribute("aria-sort")) + 1];
        headers.forEach((other) => other.setAttribute("aria-sort", "none"));
        if (direction === undefined) {
          restore();
        } else {
          header.setAttribute("aria-sort", direction);
          sort(column, direction);
        }
        announce.textContent = `${table.caption.textContent}: ${
          direction === undefined ? "in its own order" : `by ${button.textContent}, ${direction}`
        }`;
      });
    });
  };

  document.querySelectorAll("table.sortable").forEach(upgrade);

  // Older browsers print closed parts closed.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((part) => part.setAttribute("open", ""));
  });
  window.addEventListener("afterprint", () => closed.forEach((part) => part.removeAttribute("open")));
})();
