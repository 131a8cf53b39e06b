"use strict";

const find = (id) => document.getElementById(id);
const [text, record, editor, fault, state] = ["text", "record", "editor", "error", "state"].map(find);

let documents = [];
let number = 0;
let shown = null; // what the server says of the document and its record
let current = null; // the button that had the focus last: marking a text takes the focus from it
let edited = null; // the button whose value is edited

/** Ask the server; an answer that is an error is thrown with its message. */
async function ask(path, body) {
  const options = body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  throw new Error(content.error?.message ?? `${answer.status} ${answer.statusText}`);
}

/** Run what a person asked for, and show why it did not work. */
async function attempt(work) {
  fault.hidden = true;
  try {
    await work();
  } catch (error) {
    fault.textContent = error instanceof TypeError ? "The server is not reached." : error.message;
    fault.hidden = false;
  }
}

async function start() {
  const listed = await ask("documents");
  documents = listed.documents;
  find("plugin").textContent = listed.plugin;
  find("reviewer").textContent = `${listed.reviewer} decides;`;
  find("output").textContent = `saved to ${listed.output}`;
  find("number").max = documents.length;
  await show(Math.max(0, undecided(0)));
}

/** Return the first document without a decision, from one on and then from the beginning; or -1. */
function undecided(from) {
  const order = documents.map((_each, at) => (from + at) % documents.length);
  return order.find((at) => documents[at].decision === null) ?? -1;
}

async function show(wanted) {
  number = Math.min(Math.max(wanted, 0), documents.length - 1);
  const found = await ask(`documents/${number}`);
  const before = shown;
  shown = { ...found, original: found.record };
  find("id").textContent = found.id;
  find("number").value = number + 1;
  const decided = documents.filter((each) => each.decision !== null).length;
  find("count").textContent = `of ${documents.length}; ${decided} decided`;
  const review = found.review;
  find("decision").textContent = review
    ? `${review.decision} by ${review.reviewer}, ${review.time}` : "not decided";
  find("undo").disabled = !review;
  closeEditor();
  draw();
  if (before?.id !== found.id) {
    text.scrollTop = 0;
    window.scrollTo(0, 0);
  }
}

function draw(focused) {
  text.replaceChildren(...marked(Array.from(shown.text)));
  record.replaceChildren(tree(shown.record, ""));
  find("problem").textContent = shown.problem;
  find("problem").hidden = !shown.problem;
  find("accept").disabled = Boolean(shown.problem);
  current = [...record.querySelectorAll("button")].find((each) => each.dataset.pointer === focused) ?? null;
  current?.focus();
}

/** Return pieces of the text; one that values of the record cover is marked for them. */
function marked(characters) {
  const spans = Object.entries(shown.spans).flatMap(([pointer, all]) => all.map((span) => [pointer, span]));
  const borders = new Set([0, characters.length, ...spans.flatMap(([, span]) => span)]);
  const sorted = [...borders].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((begin, at) => {
    const piece = characters.slice(begin, sorted[at + 1]).join("");
    const covering = spans.filter(([, [from, to]]) => from <= begin && begin < to);
    if (!covering.length) return document.createTextNode(piece);
    const mark = document.createElement("mark");
    mark.dataset.pointers = JSON.stringify(covering.map(([pointer]) => pointer));
    mark.textContent = piece;
    return mark;
  });
}

const inside = (pointer, key) => `${pointer}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** Return a value as nested lists of buttons; a list or an object has one that adds to it. */
function tree(value, pointer) {
  if (value === null || typeof value !== "object") return leaf(value, pointer);
  const list = document.createElement("ul");
  for (const [key, inner] of Object.entries(value)) list.append(row(key, tree(inner, inside(pointer, key)), Array.isArray(value)));
  for (const absent of shown.absent.filter((each) => each.slice(0, each.lastIndexOf("/")) === pointer)) {
    const key = absent.slice(pointer.length + 1).replaceAll("~1", "/").replaceAll("~0", "~");
    list.append(row(key, button("add", "add", absent, "set"), false));
  }
  if (Array.isArray(value)) list.append(row("", button("add", "add", pointer, "add"), true));
  if (/\/\d+$/.test(pointer)) {
    list.append(row("", button("add", "remove all of this", pointer, "remove"), true));
  }
  return list;
}

function row(key, content, isItem) {
  const item = document.createElement("li");
  if (!isItem) {
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = `${key}: `;
    item.append(name);
  }
  item.append(content);
  return item;
}

function leaf(value, pointer) {
  const written = typeof value === "string" ? value : JSON.stringify(value);
  const kind = value === null ? "none" : shown.spans[pointer] ? "placed" : "elsewhere";
  const made = button(`leaf ${kind}`, value === null ? "none" : written, pointer, "set");
  made.dataset.value = value === null ? "" : written;
  return made;
}

function button(kind, label, pointer, change) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = kind;
  made.textContent = label;
  made.dataset.pointer = pointer;
  made.dataset.change = change;
  made.setAttribute("aria-label", `${pointer}: ${label}`);
  made.addEventListener("focus", () => choose(made));
  made.addEventListener("click", () => (change === "remove" ? remove(made) : edit(made)));
  return made;
}

/** Make a button the one that keys are for, and outline in the text what stands there of its value. */
function choose(target) {
  current?.removeAttribute("aria-current");
  current = target;
  current.setAttribute("aria-current", "true");
  const { pointer } = target.dataset;
  let first = null;
  for (const mark of text.querySelectorAll("mark")) {
    const isOfIt = JSON.parse(mark.dataset.pointers).includes(pointer);
    mark.classList.toggle("shown", isOfIt);
    first ??= isOfIt ? mark : null;
  }
  if (first) text.scrollTop = first.offsetTop - text.offsetTop - text.clientHeight / 3;
}

async function change(pointer, kind, value) {
  const body = { record: shown.record, change: kind, pointer, value };
  shown = { ...shown, ...(await ask(`documents/${number}/change`, body)) };
  closeEditor();
  draw(pointer);
}

const remove = (target) => attempt(() => change(target.dataset.pointer, "remove"));

/** Set the chosen value, or add to the chosen list, what is marked in the text. */
function mark(target) {
  const selection = getSelection();
  const chosen = selection.toString().trim();
  if (!target || !chosen || !text.contains(selection.anchorNode)) {
    state.textContent = "Choose a value or a list, mark a piece of the text, and press M.";
    return;
  }
  state.textContent = "";
  attempt(() => change(target.dataset.pointer, target.dataset.change, chosen));
}

function edit(target) {
  edited = target;
  editor.hidden = false;
  find("editor-label").textContent = target.dataset.pointer || "value";
  find("value").value = target.dataset.value ?? "";
  find("value").focus();
  find("value").select();
}

function closeEditor() {
  const pointer = edited?.dataset.pointer;
  edited = null;
  editor.hidden = true;
  return pointer;
}

async function decide(decided) {
  const review = await ask(`documents/${number}/decide`, { record: decided });
  documents[number].decision = review.decision;
  const next = undecided(number);
  state.textContent = `${documents[number].id}: ${documents[number].decision}${next < 0 ? "; all are decided" : ""}`;
  await show(next < 0 ? number : next);
}

async function undo() {
  await ask(`documents/${number}/undo`, {});
  documents[number].decision = null;
  await show(number);
}

const actions = {
  a: () => shown.problem || attempt(() => decide(shown.record)),
  r: () => attempt(() => decide(null)),
  u: () => shown.review && attempt(undo),
  z: () => attempt(() => show(number)),
  j: () => attempt(() => show(number + 1)),
  k: () => attempt(() => show(number - 1)),
  n: () => attempt(() => show(undecided(number + 1))),
};

for (const [id, key] of Object.entries({ accept: "a", reject: "r", undo: "u", reset: "z", next: "j", back: "k", open: "n" })) {
  find(id).addEventListener("click", () => actions[key]());
}
find("number").addEventListener("change", (event) => attempt(() => show(Number(event.target.value) - 1)));
find("cancel").addEventListener("click", () => draw(closeEditor()));
editor.addEventListener("submit", (event) => {
  event.preventDefault();
  const { pointer, change: kind } = edited.dataset;
  attempt(() => change(pointer, kind, find("value").value));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !editor.hidden) return draw(closeEditor());
  if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
  if (current && event.key === "Delete") return remove(current);
  if (current && event.key === "e") {
    event.preventDefault(); // the letter would be written into the field
    return edit(current);
  }
  if (event.key === "m") return mark(current);
  if (Object.hasOwn(actions, event.key)) {
    event.preventDefault();
    actions[event.key]();
  }
});
attempt(start);
