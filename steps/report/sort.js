// Click on the head of a sortable column: order its table by it, again: the other way round.
document.querySelectorAll("th.sortable").forEach(function (head) {
  head.addEventListener("click", function () {
    var table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    var down = head.getAttribute("aria-sort") !== "descending";
    function value(row) {
      var cell = row.cells[column], given = cell.getAttribute("data-value");
      return given === null ? cell.textContent.trim().toLowerCase() : parseFloat(given);
    }
    var rows = Array.prototype.slice.call(body.rows).sort(function (a, b) {
      var x = value(a), y = value(b);
      if (x !== x) { return 1; }
      if (y !== y) { return -1; }
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    });
    table.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    rows.forEach(function (row) { body.appendChild(row); });
  });
});
