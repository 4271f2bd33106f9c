"use strict";
(function () {
  // The value a cell sorts by: its data-v, or its text; numbers as numbers, nothing last.
  function value(row, column) {
    var cell = row.cells[column], text = cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
    return text === "" || isNaN(text) ? text : Number(text);
  }
  function compare(a, b, sign) {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b));
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", function () {
        var descending = head.getAttribute("aria-sort") === "ascending", body = table.tBodies[0];
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        Array.from(body.rows)
          .map(function (row) { return [value(row, column), row]; })
          .sort(function (a, b) { return compare(a[0], b[0], descending ? -1 : 1); })
          .forEach(function (pair) { body.appendChild(pair[1]); });
      });
    });
  });
  var form = document.getElementById("filter");
  if (!form) return;
  var rows = Array.from(document.getElementById("ranking").tBodies[0].rows), count = document.getElementById("shown");
  function apply() {
    var words = form.elements.words.value.toLowerCase().split(" ").filter(Boolean), shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      var visible = words.every(function (word) { return text.includes(word); }) &&
        (!form.elements.family.value || row.dataset.family === form.elements.family.value) &&
        (!form.elements.solved.checked || row.dataset.solved === "yes");
      row.hidden = !visible;
      shown += visible;
    });
    count.textContent = shown + " of " + rows.length + " shown";
  }
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  apply();
})();
