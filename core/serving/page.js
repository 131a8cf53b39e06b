"use strict";

const find = (id) => document.getElementById(id);
const [text, state, fault, results] = ["text", "state", "error", "results"].map(find);

/** Ask the server; an answer that is an error is thrown with its message. */
async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (find("key").value) headers.set("Authorization", `Bearer ${find("key").value}`);
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  if (answer.status === 401) {
    find("key-row").hidden = false;
    find("key").focus();
  }
  let message = `${answer.status} ${answer.statusText}`;
  try { message = (await answer.json()).error.message; } catch { /* no JSON */ }
  throw new Error(message);
}

async function listPlugins() {
  const names = (await (await ask("v1/models")).json()).data.map((model) => model.id);
  find("plugin").replaceChildren(...names.map((name) => new Option(name, name)));
  find("choice").hidden = false;
}

/** Show the lines that a request brings, each as soon as it comes. */
async function extract(path, options, textOf, files = []) {
  fault.hidden = true;
  results.replaceChildren();
  find("extract").disabled = true;
  state.textContent = "Extracting…";
  const begun = performance.now();
  let count = 0;
  try {
    if (!find("plugin").value) await listPlugins();
    const headers = { Accept: "application/x-ndjson", ...options.headers };
    const answer = await ask(`v1/${find("plugin").value}/${path}`, { ...options, headers });
    for await (const line of lines(answer.body)) {
      count += 1;
      const read = JSON.parse(line);
      show(read, textOf, files[read.file]);
      state.textContent = `${count} answered…`;
    }
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    state.textContent = `${count === 1 ? "1 document" : `${count} documents`} in ${seconds} s`;
  } catch (error) {
    state.textContent = "";
    fault.textContent = error instanceof TypeError ? "The server is not reached." : error.message;
    fault.hidden = false;
  }
  find("extract").disabled = false;
}

async function* lines(stream) {
  let rest = "";
  for await (const part of decoded(stream)) {
    const pieces = (rest + part).split("\n");
    rest = pieces.pop();
    yield* pieces;
  }
}

async function* decoded(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function show(line, textOf, file) {
  const part = find("result").content.cloneNode(true);
  const article = part.querySelector("article");
  article.querySelector("h2").textContent = line.error ? `${line.id}: no record` : line.id;
  article.querySelector(".notes").textContent = line.error ?? notes(line);
  article.querySelector("pre").textContent = JSON.stringify(line, null, 2);
  const read = textOf(line);
  const [textSide, recordSide] = [".text", ".record"].map((name) => article.querySelector(name));
  textSide.hidden = read === null;
  if (read !== null) textSide.append(...marked(Array.from(read), line));
  if (line.record) recordSide.append(tree(line.record, "", line, textSide));
  addPages(article.querySelector(".pages"), line, file);
  results.append(part);
}

/** Offer the pages of a PDF on which values stand; each is drawn when it is asked for. */
function addPages(side, line, file) {
  const boxes = Object.values(line.boxes ?? {}).flat();
  const pages = [...new Set(boxes.map(([page]) => page))].sort((a, b) => a - b);
  if (!pages.length || !/\.pdf$/i.test(file?.name ?? "")) return;
  const select = side.querySelector("select");
  select.replaceChildren(...pages.map((page) => new Option(page, page)));
  select.addEventListener("change", () => draw(side, line, file));
  side.addEventListener("toggle", () => {
    if (side.open && side.dataset.page !== select.value) draw(side, line, file);
  });
  side.addEventListener("point", ({ detail: pointer }) => {
    const [first] = line.boxes[pointer] ?? [];
    side.dataset.pointer = pointer;
    for (const box of side.querySelectorAll(".box")) {
      box.classList.toggle("shown", box.dataset.pointer === pointer);
    }
    if (side.open && first && select.value !== String(first[0])) {
      select.value = first[0];
      draw(side, line, file);
    }
  });
  side.hidden = false;
}

async function draw(side, line, file) {
  const [page, said, image] = [".page", ".state", "img"].map((name) => side.querySelector(name));
  const number = side.querySelector("select").value;
  const body = new FormData();
  body.append("file", file);
  body.append("page", number);
  side.dataset.page = number;
  said.textContent = "Drawing…";
  try {
    const answer = await ask("v1/page", { method: "POST", body });
    const picture = await answer.blob();
    if (side.dataset.page !== number) return; // another page was chosen meanwhile
    const size = answer.headers.get("Page-Size").split(" ").map(Number);
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(picture);
    image.alt = `Page ${number} of ${line.id}`;
    page.replaceChildren(image, ...boxesOn(Number(number), size, line, side.dataset.pointer));
    page.hidden = false;
    said.textContent = "";
  } catch (error) {
    delete side.dataset.page;
    said.textContent = error instanceof TypeError ? "The server is not reached." : error.message;
  }
}

/** Return the boxes of values on a page, in percent of its size. */
function boxesOn(number, [width, height], line, pointed) {
  return Object.entries(line.boxes).flatMap(([pointer, boxes]) =>
    boxes.filter(([page]) => page === number).map(([, left, upper, right, lower]) => {
      const box = document.createElement("div");
      box.className = `box ${level(line.confidence[pointer])}`;
      box.classList.toggle("shown", pointer === pointed);
      box.dataset.pointer = pointer;
      box.style.left = `${(100 * left) / width}%`;
      box.style.top = `${(100 * upper) / height}%`;
      box.style.width = `${(100 * (right - left)) / width}%`;
      box.style.height = `${(100 * (lower - upper)) / height}%`;
      return box;
    }),
  );
}

function notes(line) {
  const said = [`${line.windows[0]} of ${line.windows[1]} windows read`];
  if (line.truncated) said.push("an answer was cut off at its limit");
  if (line.unsure) said.push(`${line.unsure} values left out that the model is not sure of`);
  return said.join("; ");
}

const level = (confidence) =>
  confidence === undefined ? "plain" : confidence >= 0.8 ? "high" : confidence >= 0.5 ? "middle" : "low";

/** Return pieces of a text; one that values of the record cover is marked for them. */
function marked(characters, line) {
  const spans = Object.entries(line.spans);
  const borders = new Set([0, characters.length, ...spans.flatMap(([, span]) => span)]);
  const sorted = [...borders].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((start, at) => {
    const piece = characters.slice(start, sorted[at + 1]).join("");
    const covering = spans.filter(([, [from, to]]) => from <= start && start < to);
    if (!covering.length) return document.createTextNode(piece);
    const mark = document.createElement("mark");
    const pointers = covering.map(([pointer]) => pointer);
    const confidences = pointers.map((pointer) => line.confidence[pointer]).filter(Number.isFinite);
    mark.className = level(confidences.length ? Math.max(...confidences) : undefined);
    mark.dataset.pointers = JSON.stringify(pointers);
    mark.title = pointers.join(", ");
    mark.textContent = piece;
    return mark;
  });
}

/** Return a value of the record as nested lists, leaves as buttons that show where they stand. */
function tree(value, pointer, line, textSide) {
  if (value === null || typeof value !== "object") return leaf(value, pointer, line, textSide);
  const list = document.createElement("ul");
  const isArray = Array.isArray(value);
  for (const [key, inner] of Object.entries(value)) {
    const item = document.createElement("li");
    if (!isArray) {
      const name = document.createElement("span");
      name.className = "name";
      name.textContent = `${key}: `;
      item.append(name);
    }
    const path = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    item.append(tree(inner, path, line, textSide));
    list.append(item);
  }
  if (list.children.length) return list;
  const none = document.createElement("span");
  none.className = "quiet";
  none.textContent = "none";
  return none;
}

function leaf(value, pointer, line, textSide) {
  const span = line.spans[pointer];
  const confidence = line.confidence[pointer];
  const shown = document.createElement(span && !textSide.hidden ? "button" : "span");
  shown.className = `leaf ${level(confidence)}`;
  shown.textContent = typeof value === "string" ? value : JSON.stringify(value);
  if (confidence !== undefined) {
    const number = document.createElement("span");
    number.className = "p";
    number.textContent = ` ${confidence.toFixed(2)}`;
    shown.append(number);
  }
  if (shown instanceof HTMLButtonElement) {
    shown.type = "button";
    shown.addEventListener("click", () => point(textSide, pointer));
    shown.addEventListener("focus", () => point(textSide, pointer));
  }
  return shown;
}

function point(textSide, pointer) {
  let first = null;
  const pages = textSide.closest("article").querySelector(".pages");
  pages.dispatchEvent(new CustomEvent("point", { detail: pointer }));
  for (const mark of textSide.querySelectorAll("mark")) {
    const isOfIt = JSON.parse(mark.dataset.pointers).includes(pointer);
    mark.classList.toggle("shown", isOfIt);
    first ??= isOfIt ? mark : null;
  }
  if (first) textSide.scrollTop = first.offsetTop - textSide.offsetTop - textSide.clientHeight / 3;
}

function extractText() {
  const asked = text.value;
  if (!asked.trim()) {
    fault.textContent = "Paste a text first, or choose files.";
    fault.hidden = false;
    text.focus();
    return;
  }
  const body = JSON.stringify({ documents: [{ id: "text", text: asked }] });
  const headers = { "Content-Type": "application/json" };
  extract("extract", { method: "POST", headers, body }, () => asked);
}

function extractFiles(files) {
  if (!files.length) return;
  const body = new FormData();
  for (const file of files) body.append("files", file);
  extract("files", { method: "POST", body }, (line) => line.text ?? null, files);
}

find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  extractText();
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) extractText();
});
find("files").addEventListener("change", (event) => {
  extractFiles([...event.target.files]);
  event.target.value = "";
});
// On the whole page: elsewhere the browser would leave the page and open the file.
document.addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  text.classList.add("over");
});
document.addEventListener("dragleave", () => text.classList.remove("over"));
document.addEventListener("drop", (event) => {
  text.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  extractFiles([...event.dataTransfer.files]);
});
listPlugins().catch((error) => {
  fault.textContent = error instanceof TypeError ? "The server is not reached." : error.message;
  fault.hidden = false;
});
