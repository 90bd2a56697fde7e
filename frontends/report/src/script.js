"use strict";
// Searching and filtering the table of events, and keys for the pictures. The page reads without it.
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const search = document.getElementById("search");
  const matches = document.getElementById("matches");
  const boxes = [...document.querySelectorAll(".controls input[type=checkbox]")];
  const rows = [...document.querySelectorAll("#events tbody tr")].map((row) => ({
    row,
    kind: row.dataset.kind,
    text: (row.textContent + " " + [...row.querySelectorAll("[title]")].map((part) => part.title).join(" ")).toLowerCase(),
  }));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const { row, kind, text } of rows) {
      const fits = kinds.has(kind) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    matches.textContent = shown + " of " + rows.length;
  }
  search.addEventListener("input", filter);
  boxes.forEach((box) => box.addEventListener("change", filter));
  // A link such as report.html?q=palette begins with a search.
  search.value = new URLSearchParams(location.search).get("q") || "";
  filter();

  document.addEventListener("keydown", (event) => {
    const open = document.querySelector(".shot:target");
    if (!open) return;
    const way = { Escape: ".close", ArrowLeft: ".previous", ArrowRight: ".next" }[event.key];
    const link = way && open.querySelector(way);
    if (link) {
      event.preventDefault();
      link.click();
    }
  });
  root.dataset.script = "ready";
})();
