"use strict";
// Without this script the page shows every document; with it they can be filtered and ordered.
(() => {
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const articles = [...list.querySelectorAll("article")];
  const words = new Map();
  const value = (name) => document.getElementById(name)?.value ?? "";

  const matches = (token, field, kind) => {
    const [itsField, itsKind] = token.split(":");
    return (!field || itsField === field)
      && (!kind || itsKind === kind || (kind === "error" && itsKind !== "right"));
  };

  const holds = (article, query) => {
    if (!words.has(article)) words.set(article, article.textContent.toLowerCase());
    return words.get(article).includes(query);
  };

  // A mark in the text or on a page has a token for each field that it belongs to: FIELD:KIND:SIDES, the first one shown.
  const paint = (article, field, kind) => {
    for (const mark of article.querySelectorAll("[data-marks]")) {
      const token = mark.dataset.marks.split(" ").find((one) => matches(one, field, kind));
      const [, itsKind, side] = token ? token.split(":") : ["", "", ""];
      mark.dataset.kind = itsKind;
      mark.dataset.side = side;
    }
    for (const row of article.querySelectorAll("tr[data-case]")) {
      row.hidden = !matches(row.dataset.case, field, kind);
    }
  };

  const filter = () => {
    const query = value("query").trim().toLowerCase();
    const [field, kind, change] = [value("field"), value("kind"), value("change")];
    let shown = 0;
    for (const article of articles) {
      const tokens = article.dataset.cases.split(" ");
      const fits = (!field && !kind) || tokens.some((token) => token && matches(token, field, kind));
      article.hidden = !(fits && (!change || article.dataset.change === change)
        && (!query || holds(article, query)));
      if (article.hidden) continue;
      shown += 1;
      paint(article, field, kind);
    }
    document.getElementById("shown").textContent = `${shown} of ${articles.length} documents shown`;
  };

  const order = () => {
    const by = value("order");
    const number = (article, name) => Number(article.dataset[name] || 0);
    const keys = {
      "": (a, b) => number(b, "errors") - number(a, "errors"),
      place: () => 0,
      f1: (a, b) => number(a, "f1") - number(b, "f1"),
      difference: (a, b) => number(a, "difference") - number(b, "difference"),
    };
    articles.sort((a, b) => keys[by](a, b) || number(a, "place") - number(b, "place"));
    list.append(...articles);
  };

  const unfold = document.getElementById("unfold");
  const fold = (open) => {
    for (const article of articles) {
      if (!open || !article.hidden) article.querySelector("details").open = open;
    }
    unfold.setAttribute("aria-pressed", String(open));
    unfold.textContent = open ? "Close all" : "Open all";
  };

  const follow = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.tagName !== "ARTICLE") return;
    if (target.hidden) form.reset();
    setTimeout(() => { // after what the reset puts off
      target.querySelector("details").open = true;
      target.scrollIntoView();
    });
  };

  const edges = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      target.toggleAttribute("data-wide", target.scrollWidth > target.clientWidth);
    }
  });
  for (const box of document.querySelectorAll(".scroll")) edges.observe(box);

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  document.getElementById("order").addEventListener("input", order);
  form.addEventListener("reset", () => setTimeout(() => { order(); filter(); }));
  unfold.addEventListener("click", () => fold(unfold.getAttribute("aria-pressed") !== "true"));
  window.addEventListener("hashchange", follow);
  filter();
  follow();
})();
